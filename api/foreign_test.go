package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// TestEveryRouteKnowsItsCallers walks the router's own table: every route with
// no credential, with those of another tenant, and with each role. A route
// without a row in rows, or that is not in the document, fails.
func TestEveryRouteKnowsItsCallers(t *testing.T) {
	w := newWorld(t)
	table := rows()
	for _, route := range w.api.echo.Routes() {
		if route.Method == "echo_route_not_found" {
			continue
		}
		op := w.doc.operations[route.Method+" "+templated(route.Path)]
		if op == nil {
			t.Errorf("%s %s is not in the document", route.Method, route.Path)
			continue
		}
		r, ok := table[op.OperationID]
		if !ok {
			t.Errorf("%s %s (%s) has no row in rows()", op.method, op.path, op.OperationID)
			continue
		}
		t.Run(op.OperationID, func(t *testing.T) {
			outer := w.t
			defer func() { w.t = outer }()
			w.t = t
			callers{t, w, op, r}.all()
		})
	}
}

// templated is a path of the router as the document writes it.
func templated(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, is := strings.CutPrefix(part, ":"); is {
			parts[i] = "{" + name + "}"
		}
		if part == "*" { // the rest, whatever is in it
			parts[i] = "{path}"
		}
	}
	return strings.Join(parts, "/")
}

// callers are those of one route.
type callers struct {
	t   *testing.T
	w   *world
	op  *operation
	row row
}

func (c callers) all() {
	if c.row.role == "" {
		p := c.w.send(c.op, c.row.call(c.w), header("Authorization", ""))
		if p.status >= http.StatusBadRequest {
			c.t.Errorf("without a credential: %d %.300s", p.status, p.body)
		}
		return
	}
	for name, edit := range map[string]func(*http.Request){
		"none": header("Authorization", ""), "a wrong one": header("Authorization", "Bearer "+c.w.token+"x"),
		"another scheme": header("Authorization", "Basic "+c.w.token),
	} {
		p := c.w.send(c.op, c.row.call(c.w), edit)
		p.refused(c.t, fault.Unauthenticated)
		if p.header.Get("WWW-Authenticate") == "" {
			c.t.Errorf("with %s: no WWW-Authenticate", name)
		}
	}
	c.foreigner()
	for _, role := range identity.Roles() {
		good := c.row.call(c.w)
		p := c.w.send(c.op, good, c.w.as(role))
		if !role.Includes(c.row.role) {
			p.refused(c.t, fault.RoleRequired)
		} else if p.status != good.want {
			c.t.Errorf("the role %s: status %d, want %d: %.300s", role, p.status, good.want, p.body)
		}
	}
}

// foreigner is the administrator of another tenant.
func (c callers) foreigner() {
	good := c.row.call(c.w)
	p := c.w.send(c.op, good, c.w.asOther())
	c.w.told += good.body + " " + good.query + " " + strings.Join(good.path, " ") + " "
	for _, mark := range c.w.marks {
		if strings.Contains(string(p.body), mark) && !strings.Contains(c.w.told, mark) {
			c.t.Errorf("another tenant sees %s: %.500s", mark, p.body)
		}
	}
	switch {
	case c.row.foreign == foreignDenied:
		p.refused(c.t, fault.RoleRequired)
	case c.row.foreign == foreignAbsent, c.row.foreign == "" && len(good.path) > 0:
		p.refused(c.t, fault.NotFound, fault.SecretMissing, fault.TypeUnknown)
	case p.status == http.StatusForbidden && p.code() != fault.NotGrantable.String(): // which is of the grant, whoever else has it
		c.t.Errorf("403 tells that it is there: %.300s", p.body)
	}
	if c.row.foreign == foreignDenied {
		return
	}
	// It is as it was: its owner is answered as if nobody had asked.
	if p := c.w.send(c.op, good); p.status != good.want {
		c.t.Errorf("after another tenant's call: status %d, want %d: %.300s", p.status, good.want, p.body)
	}
}

// TestForeignAndAbsentTakeEquallyLong: nobody learns by the clock whether
// another tenant has something.
func TestForeignAndAbsentTakeEquallyLong(t *testing.T) {
	w := newWorld(t)
	table := rows()
	const rounds, most = 21, 5 * time.Millisecond
	for _, op := range w.doc.sorted() {
		r, ok := table[op.OperationID]
		if !ok || len(op.names()) == 0 || op.method != http.MethodGet || r.foreign != "" {
			continue
		}
		there := r.call(w)
		absent := there
		absent.path = slices.Clone(there.path)
		absent.path[0] = other(there.path[0])
		var took [2][]time.Duration
		for i := range 2 * rounds {
			which := [2]call{there, absent}[i%2]
			begin := time.Now()
			p := w.send(op, which, w.asOther())
			took[i%2] = append(took[i%2], time.Since(begin))
			if p.status != http.StatusNotFound {
				t.Errorf("%s: %d %.200s", op.OperationID, p.status, p.body)
			}
		}
		if d := median(took[0]) - median(took[1]); d > most || d < -most {
			t.Errorf("%s: foreign %s, absent %s", op.OperationID, median(took[0]), median(took[1]))
		}
	}
}

// other is an id of the same form that is nobody's.
func other(id string) string {
	last := "0"
	if strings.HasSuffix(id, last) {
		last = "1"
	}
	return id[:len(id)-1] + last
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
