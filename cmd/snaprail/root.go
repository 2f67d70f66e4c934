package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
)

// app is one run of the program.
type app struct {
	terminal
	server, token, output string
	timeout               time.Duration
	// started says that cobra found the command and its arguments in order:
	// whatever fails before that is wrong usage.
	started bool
	// exit is the exit code of a command that has done its work; 0 unless that
	// says more.
	exit int
}

// The groups of commands in the help.
const (
	groupAuthor  = "author"
	groupOperate = "operate"
	groupMeta    = "meta"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "snaprail",
		Short: "Snap connectors onto a rail: sandboxed WebAssembly modules that talk to devices",
		Long: "Snaprail runs connectors: small WebAssembly modules that talk to a device or a service.\n" +
			"Each one reaches exactly what it was granted, and what it emits is kept until it is delivered.\n\n" +
			"Start with `snaprail demo`, which needs no hardware.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.started = true
			return a.checkFlags()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("snaprail {{.Version}}\n")
	a.globalFlags(root)
	root.AddGroup(
		&cobra.Group{ID: groupAuthor, Title: "Author:"},
		&cobra.Group{ID: groupOperate, Title: "Operate:"},
		&cobra.Group{ID: groupMeta, Title: "Meta:"},
	)
	root.SetHelpCommandGroupID(groupMeta)
	root.SetCompletionCommandGroupID(groupMeta)
	add(root, groupAuthor, a.packCommand(), a.inspectCommand())
	add(root, groupOperate, a.serveCommand(), a.demoCommand(), a.modulesCommand(), a.connectorsCommand(),
		a.grantsCommand(), a.devicesCommand(), a.logsCommand(), a.tailCommand(), a.auditCommand(), a.limitsCommand(), a.secretCommand(),
		a.tokenCommand(), a.tenantCommand(), a.userCommand(), a.loginCommand(), a.logoutCommand(), a.whoamiCommand())
	add(root, groupOperate, a.applyCommand(), a.planCommand(), a.exportCommand())
	add(root, groupOperate, a.typesCommand(), a.categoriesCommand(), a.callCommand(), a.connectCommand(), a.previewCommand())
	add(root, groupOperate, append(a.messageCommands(), a.ticketsCommand(), a.twinCommand(), a.writesCommand(), a.notificationsCommand(), a.quarantineCommand())...)
	add(root, groupOperate, a.setsCommand(), a.deployCommand(), a.teardownCommand(), a.deploymentsCommand())
	add(root, groupMeta, a.versionCommand())
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
	}
	root.AddCommand(commands...)
}

func (a *app) globalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", a.envOr("SNAPRAIL_SERVER", "http://127.0.0.1:8080"),
		"address of the server `URL` (SNAPRAIL_SERVER)")
	flags.StringVar(&a.token, "token", "",
		"token to call it with (SNAPRAIL_TOKEN; else that of snaprail login, else the file token in the data directory)")
	flags.StringVarP(&a.output, "output", "o", a.envOr("SNAPRAIL_OUTPUT", outputTable),
		"`form` of what is printed: table or json (SNAPRAIL_OUTPUT)")
	flags.DurationVar(&a.timeout, "timeout", time.Minute, "how long one call may take; 0: no limit")
}

func (a *app) checkFlags() error {
	if a.output != outputTable && a.output != outputJSON {
		return fault.New(fault.Usage, "--output %q: want table or json", a.output)
	}
	if a.timeout < 0 {
		return fault.New(fault.Usage, "--timeout %s: want a positive duration", a.timeout)
	}
	return nil
}

func (a *app) envOr(name, def string) string {
	if v := a.env(name); v != "" {
		return v
	}
	return def
}

// branch is a command that only holds others.
func branch(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return fault.New(fault.Usage, "%s has no command %q", c.CommandPath(), args[0])
		},
	}
	c.AddCommand(commands...)
	return c
}
