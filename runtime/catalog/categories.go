package catalog

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// MaxCategories bounds the categories that one tenant adds.
const MaxCategories = 200

// BuiltInCategories are those that every tenant has, by name.
func BuiltInCategories() []spec.Category {
	return []spec.Category{
		{
			Name: "converter", DisplayName: "Converter", BuiltIn: true,
			Description: "Turns records into records on their way north.",
		},
		{
			Name: "device_manager", DisplayName: "Device manager", BuiltIn: true,
			Description: "Keeps the devices of other connectors. A device is an object: id, type, name, tags, attributes.",
			Operations: []spec.Operation{
				{Name: "add", Description: "Keeps a new device of the connector.", Parameters: []string{"connector", "device"}},
				{Name: "update", Description: "Keeps a device as it is now.", Parameters: []string{"connector", "device"}},
				{Name: "remove", Description: "Forgets a device.", Parameters: []string{"connector", "id"}},
				{Name: "get", Description: "Answers one device, or null.", Parameters: []string{"connector", "id"}},
				{Name: "devices", Description: "Answers all devices, as a list or as an object by id.", Parameters: []string{"connector"}},
			},
		},
		{
			Name: "email", DisplayName: "E-mail", BuiltIn: true,
			Description: "Sends messages to addresses.",
			Operations: []spec.Operation{{
				Name: "send_message", Description: "Sends one message.",
				Parameters: []string{"to", "subject", "body"}, Optional: []string{"from", "html"},
			}},
		},
		{
			Name: "messaging", DisplayName: "Messaging", BuiltIn: true,
			Description: "Posts texts to people: chat rooms, pagers, phones.",
			Operations: []spec.Operation{{
				Name: "send", Description: "Posts one text.",
				Parameters: []string{"text"}, Optional: []string{"channel", "title"},
			}},
		},
		{
			Name: "platform", DisplayName: "Platform", BuiltIn: true,
			Description: "Tells a platform upstream of the tenant's devices.",
			Operations: []spec.Operation{
				{Name: "register_device", Description: "Makes a device known that the platform does not know.", Parameters: []string{"connector", "device"}},
				{Name: "update_device", Description: "Tells of a device as it is now, connected again if it was not.", Parameters: []string{"connector", "device"}},
				{Name: "disconnect_device", Description: "Leaves a device there as disconnected.", Parameters: []string{"connector", "id"}},
				{Name: "delete_device", Description: "Deletes a device there.", Parameters: []string{"connector", "id"}},
				{Name: "devices", Description: "Answers what the platform knows of the connector's devices: id, hash and state of each.", Parameters: []string{"connector"}},
			},
		},
		{
			Name: "storage", DisplayName: "Storage", BuiltIn: true,
			Description: "Keeps files. Data travels in base64.",
			Operations: []spec.Operation{
				{Name: "put", Description: "Writes a file, in place of one that is there.", Parameters: []string{"path", "data"}, Optional: []string{"content_type"}},
				{Name: "get", Description: "Answers a file's data.", Parameters: []string{"path"}},
				{Name: "list", Description: "Lists files whose path starts with the prefix.", Optional: []string{"prefix", "limit"}},
				{Name: "delete", Description: "Removes a file.", Parameters: []string{"path"}},
				{Name: "stat", Description: "Answers what is known of a file without its data.", Parameters: []string{"path"}},
			},
		},
		{
			Name: "telemetry", DisplayName: "Telemetry", BuiltIn: true,
			Description: "Reads devices and services and emits records.",
		},
	}
}

// ReadCategory is a category of the tenant whose space r reads. fault.NotFound
// lists those that there are.
func ReadCategory(r store.Reader, name string) (spec.Category, error) {
	all, err := ListCategories(r)
	if err != nil {
		return spec.Category{}, err
	}
	if i := slices.IndexFunc(all, func(c spec.Category) bool { return c.Name == name }); i >= 0 {
		return all[i], nil
	}
	return spec.Category{}, fault.New(fault.NotFound, "no category %.80q; there are %s", name, names(all)).
		WithHint("an administrator adds a category with POST /api/categories or `snaprail categories add`")
}

// ListCategories are those that are built in and those that the tenant whose
// space r reads has added, by name.
func ListCategories(r store.Reader) ([]spec.Category, error) {
	all := BuiltInCategories()
	for e, err := range store.All(r, store.Categories, "") {
		if err != nil {
			return nil, err
		}
		var c spec.Category
		if err := json.Unmarshal(e.Value, &c); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "category %s", e.ID)
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b spec.Category) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func names(all []spec.Category) string {
	list := make([]string, len(all))
	for i := range all {
		list[i] = all[i].Name
	}
	return strings.Join(list, ", ")
}

// checkCategory sees that a module's category exists and, of a connector, that
// it offers all that the category asks for.
func checkCategory(r store.Reader, m *abi.Manifest, exports []string) error {
	c, err := ReadCategory(r, m.Category)
	if fault.Is(err, fault.NotFound) {
		f := fault.Of(err)
		return fault.New(fault.ManifestInvalid, "/category: %s", f.Text).WithHint("%s, or correct the manifest", f.Hint)
	}
	if err != nil || m.Kind != abi.KindConnector {
		return err
	}
	if missing := Missing(c, exports); len(missing) > 0 {
		return fault.New(fault.OperationMissing, "a provider of %s must export %s, and this module does not",
			c.Name, strings.Join(missing, ", "))
	}
	return nil
}

// Missing are the exports that a provider of the category must have and that
// are not among these.
func Missing(c spec.Category, exports []string) (missing []string) {
	for _, o := range c.Operations {
		if entry := abi.OperationPrefix + o.Name; !slices.Contains(exports, entry) {
			missing = append(missing, entry)
		}
	}
	return missing
}
