package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) typesCommand() *cobra.Command {
	var category string
	c := &cobra.Command{
		Use: "types", Short: "List the types that connectors can be made of",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Types(ctx, category)
				if err != nil {
					return err
				}
				return a.show(list, func() { a.printTypes(list) })
			})
		},
	}
	c.Flags().StringVar(&category, "category", "", "only of this `category`")
	c.AddCommand(a.typesConverter())
	return c
}

func (a *app) typesConverter() *cobra.Command {
	var f converterFlags
	var remove bool
	c := &cobra.Command{
		Use:   "converter category/type",
		Short: "Show, set or take away the converter of a type's connectors that have none of their own",
		Example: `  snaprail types converter telemetry/serialline
  snaprail types converter telemetry/serialline --module 5d9e3b17 --config @fields.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			category, name, ok := strings.Cut(args[0], "/")
			if !ok {
				return fault.New(fault.Usage, "%q: want category/type, as `snaprail types` lists them", args[0])
			}
			converter, err := a.converter(&f)
			if err != nil {
				return err
			}
			if remove && converter != nil {
				return fault.New(fault.Usage, "--rm and --module are one too many")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				switch {
				case remove:
					err := api.RemoveTypeConverter(ctx, category, name)
					if err == nil {
						fmt.Fprintf(a.err, "%s has no converter any more\n", args[0])
					}
					return err
				case converter != nil:
					v, err := api.SetTypeConverter(ctx, category, name, *converter)
					if err != nil {
						return err
					}
					return a.show(v, func() { a.printTypeConverter(v) })
				}
				v, err := api.TypeConverter(ctx, category, name)
				if err != nil {
					return err
				}
				return a.show(v, func() { a.printTypeConverter(v) })
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&remove, "rm", false, "take it away")
	return c
}

func (a *app) printTypeConverter(v client.TypeConverter) {
	a.rows(nil, [][]string{
		{"type", v.Category + "/" + v.ProviderType}, {"module", short(v.Module)}, {"config", orDash(string(v.Config))},
	})
	for _, stage := range v.Then {
		a.rows(nil, [][]string{{"then", short(stage.Module)}, {"config", orDash(string(stage.Config))}})
	}
}

func (a *app) printTypes(list []client.Type) {
	rows := make([][]string, len(list))
	for i, t := range list {
		versions := make([]string, len(t.Versions))
		for j, v := range t.Versions {
			versions[j] = v.Version
		}
		module := short(t.Module)
		if t.BuiltIn {
			module = "built in"
		}
		rows[i] = []string{t.Category + "/" + t.ProviderType, kindText(t.Kind, t.Delivers), t.DisplayName, orDash(strings.Join(versions, ", ")), module}
	}
	a.rows([]string{"TYPE", "KIND", "NAME", "VERSIONS", "MODULE"}, rows)
}

func (a *app) categoriesCommand() *cobra.Command {
	c := branch("categories", "List, add and remove the categories of types",
		a.categoriesList(), a.categoriesAdd(), a.categoriesRemove())
	c.Aliases = []string{"category"}
	return c
}

func (a *app) categoriesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List categories, with the operations of their providers",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Categories(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func() { a.printCategories(list) })
			})
		},
	}
}

func (a *app) printCategories(list []client.Category) {
	rows := make([][]string, len(list))
	for i, c := range list {
		operations := make([]string, len(c.Operations))
		for j, o := range c.Operations {
			operations[j] = signature(o)
		}
		whose := "own"
		if c.BuiltIn {
			whose = "built in"
		}
		rows[i] = []string{c.Name, c.DisplayName, whose, orDash(strings.Join(operations, " "))}
	}
	a.rows([]string{"CATEGORY", "NAME", "WHOSE", "OPERATIONS"}, rows)
}

// signature is an operation as it is written for categories add:
// put(path,data,content_type?).
func signature(o client.Operation) string {
	arguments := append([]string{}, o.Parameters...)
	for _, name := range o.Optional {
		arguments = append(arguments, name+"?")
	}
	return o.Name + "(" + strings.Join(arguments, ",") + ")"
}

// parseSignature reads what signature writes.
func parseSignature(s string) (o client.Operation, err error) {
	name, rest, ok := strings.Cut(s, "(")
	arguments, tail, closed := strings.Cut(rest, ")")
	if name == "" || ok != closed || tail != "" {
		return o, fault.New(fault.Usage, "--operation %q: want name(argument,optional?)", s)
	}
	o.Name = name
	for argument := range strings.SplitSeq(arguments, ",") {
		argument = strings.TrimSpace(argument)
		if optional, is := strings.CutSuffix(argument, "?"); is {
			o.Optional = append(o.Optional, optional)
		} else if argument != "" {
			o.Parameters = append(o.Parameters, argument)
		}
	}
	return o, nil
}

func (a *app) categoriesAdd() *cobra.Command {
	var category client.Category
	var operations []string
	c := &cobra.Command{
		Use: "add name", Short: "Add a category",
		Example: `  snaprail categories add printing --operation 'print(document,copies?)'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			category.Name = args[0]
			for _, text := range operations {
				o, err := parseSignature(text)
				if err != nil {
					return err
				}
				category.Operations = append(category.Operations, o)
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				added, err := api.AddCategory(ctx, category)
				if err != nil {
					return err
				}
				return a.show(added, func() { fmt.Fprintln(a.out, added.Name) })
			})
		},
	}
	c.Flags().StringVar(&category.DisplayName, "display-name", "", "`name` for people")
	c.Flags().StringVar(&category.Description, "description", "", "what its providers do, in a `sentence`")
	c.Flags().StringArrayVar(&operations, "operation", nil, "`operation` that each provider must offer, as name(argument,optional?); may be repeated")
	return c
}

func (a *app) categoriesRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm name", Aliases: []string{"remove", "delete"}, Short: "Remove a category that no module is of",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if err := api.RemoveCategory(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "removed category %s\n", args[0])
				return nil
			})
		},
	}
}
