package roster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// An Inventory is what Ansible asks an inventory script for with --list. Hosts
// go by their aliases; those without one, which do not serve, are left out.
//
// See https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html
// ("Inventory scripts"): groups with their hosts, and in _meta the variables of
// all hosts, so that the script is not run again for each.
type Inventory struct {
	groups map[string][]string
	vars   map[string]map[string]any
}

// InventoryOf makes an inventory of members.
func InventoryOf(members []Member) Inventory {
	inv := Inventory{groups: map[string][]string{}, vars: map[string]map[string]any{}}
	for _, m := range members {
		if m.Alias == "" || m.Address() == "" {
			continue
		}
		inv.groups[m.Group] = append(inv.groups[m.Group], m.Alias)
		inv.vars[m.Alias] = m.facts()
		inv.vars[m.Alias]["ansible_host"] = m.Address()
	}
	return inv
}

// facts are what configuration management is told of a member.
func (m Member) facts() map[string]any {
	all := map[string]any{
		"rondo_group": m.Group, "rondo_rank": m.Rank, "rondo_alias": m.Alias, "rondo_id": m.ID, "rondo_host": m.Host,
		"rondo_address": m.Address(), "rondo_zone": m.Zone, "rondo_type": m.Type, "rondo_phase": string(m.Phase),
	}
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == "" || v == 0 })
	return all
}

// MarshalJSON implements json.Marshaler.
func (inv Inventory) MarshalJSON() ([]byte, error) {
	out, children := map[string]any{"_meta": map[string]any{"hostvars": inv.vars}}, []string{"ungrouped"}
	for _, name := range slices.Sorted(maps.Keys(inv.groups)) {
		out[groupKey(name)] = map[string]any{"hosts": inv.groups[name]}
		children = append(children, groupKey(name))
	}
	out["all"] = map[string]any{"children": children}
	return json.Marshal(out)
}

// groupKey keeps a group from being one of the words that Ansible has taken.
func groupKey(name string) string {
	if name == "all" || name == "ungrouped" || name == "_meta" {
		return name + "_group"
	}
	return name
}

// INI is the same as a static inventory in a file.
func (inv Inventory) INI() string {
	var b strings.Builder
	for _, group := range slices.Sorted(maps.Keys(inv.groups)) {
		fmt.Fprintf(&b, "[%s]\n", groupKey(group))
		for _, host := range inv.groups[group] {
			b.WriteString(host)
			vars := inv.vars[host]
			for _, name := range slices.Sorted(maps.Keys(vars)) {
				fmt.Fprintf(&b, " %s=%s", name, iniWord(fmt.Sprint(vars[name])))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// iniWord quotes a value that would be two, or a comment. Hosts say their names
// themselves: no line break gets through.
func iniWord(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, s)
	if !strings.ContainsAny(s, " \t#;'\"=\\") {
		return s
	}
	return "'" + strings.NewReplacer("'", "_", `\`, "_").Replace(s) + "'"
}

// A ClassConfig says what instances of a group are, for configuration
// management.
type ClassConfig struct {
	Group       string            `yaml:"group"`
	Classes     []string          `yaml:"classes"`
	Parameters  map[string]string `yaml:"parameters"` // what reads as JSON is that: 5432, true, '["a", "b"]'
	Environment string            `yaml:"environment"`
}

// parameters are the values that are meant.
func (c ClassConfig) parameters() map[string]any {
	all := make(map[string]any, len(c.Parameters))
	for name, text := range c.Parameters {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			v = text
		}
		all[name] = whole(v)
	}
	return all
}

// whole makes integers of numbers that are: YAML tells 8080 from 8080.0.
func whole(v any) any {
	switch x := v.(type) {
	case float64:
		if n := int64(x); float64(n) == x {
			return n
		}
	case []any:
		for i := range x {
			x[i] = whole(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = whole(x[k])
		}
	}
	return v
}

// A Node is the answer of an external node classifier, as Puppet wants it in
// YAML: https://www.puppet.com/docs/puppet/latest/nodes_external.html
type Node struct {
	Classes     []string       `json:"classes" yaml:"classes"`
	Parameters  map[string]any `json:"parameters" yaml:"parameters"`
	Environment string         `json:"environment,omitempty" yaml:"environment,omitempty"`
}

// RoleClass is the class that Puppet's people have for a role: role::web.
func RoleClass(name string) string {
	return "role::" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

// Classify says what a host is: the classes of its group, and as parameters
// those of the group and what is known of the member (rondo_group, rondo_rank,
// ...). Without classes of its own a group has one of its name, role::web. It
// knows instances from their launch on, before they were heard of.
func Classify(members []Member, classes []ClassConfig, host string) (Node, bool) {
	m, ok := Find(members, host)
	if !ok {
		return Node{}, false
	}
	n := Node{Parameters: map[string]any{}}
	for _, c := range classes {
		if c.Group == m.Group {
			n.Classes = append(n.Classes, c.Classes...)
			maps.Copy(n.Parameters, c.parameters())
			n.Environment = cmp.Or(n.Environment, c.Environment)
		}
	}
	if n.Classes == nil {
		n.Classes = []string{RoleClass(m.Group)}
	}
	maps.Copy(n.Parameters, m.facts())
	if first, ok := First(ofGroup(members, m.Group)); ok {
		n.Parameters["rondo_first"] = first.Alias
	}
	return n, true
}
