package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// buildInfo is what `version` prints.
type buildInfo struct {
	Version  string      `json:"version"`
	Go       string      `json:"go"`
	Platform string      `json:"platform"`
	Contract abi.Version `json:"abi"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary and of the contract that it speaks",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info := buildInfo{
				Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
				Contract: abi.Version{Major: abi.Major, Minor: abi.Minor},
			}
			return a.show(info, func() {
				fmt.Fprintf(a.out, "snaprail %s (%s, %s, contract %d.%d)\n",
					info.Version, info.Go, info.Platform, info.Contract.Major, info.Contract.Minor)
			})
		},
	}
}
