package supervisor

import (
	"cmp"
	"context"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// files are those that a connector's parameters refer to, as it is stored.
type files struct {
	space store.Space
	id    string // the connector's
}

var _ capability.Files = files{}

// Files implements capability.Files.
func (f files) Files(ctx context.Context) (list []abi.FileInfo, err error) {
	err = f.space.View(ctx, func(r store.Reader) error {
		list = nil
		c, err := stored[spec.Connector](r, store.Connectors, f.id)
		if err != nil {
			return err
		}
		for _, row := range c.Params {
			if row.Type != spec.ParamFile || row.FileID == "" {
				continue
			}
			is, err := param.FileInfo(r, row.FileID)
			if fault.Is(err, fault.NotFound) {
				continue // removed, which the config says
			}
			if err != nil {
				return err
			}
			list = append(list, abi.FileInfo{Name: row.Key, Size: uint64(is.Size), ContentType: is.MIME, SHA256: is.Digest})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b abi.FileInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list, err
}

// Content implements capability.Files.
func (f files) Content(ctx context.Context, name string) (content []byte, err error) {
	err = f.space.View(ctx, func(r store.Reader) error {
		c, err := stored[spec.Connector](r, store.Connectors, f.id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(c.Params, func(row spec.Param) bool { return row.Key == name && row.Type == spec.ParamFile && row.FileID != "" })
		if at < 0 {
			return fault.New(fault.NotFound, "no parameter %q that is a file", fault.Clip(name, 64))
		}
		_, content, err = param.GetFile(r, c.Params[at].FileID)
		return err
	})
	return content, err
}
