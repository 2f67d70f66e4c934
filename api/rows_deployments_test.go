package api

import (
	"net/http"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// factory is a new connector that deploys devices.
func (w *world) factory() client.Connector {
	w.t.Helper()
	if w.deployer == "" {
		w.deployer = w.upload("factory").Digest
	}
	var c client.Connector
	w.post("/api/connectors", `{"name":"`+w.name()+`","module":"`+w.deployer+`",
		"grants":[{"group":"deploy","resources":["connector:*","device:*","http:*"],"rights":["read","write"]}]}`, &c)
	w.mark(c.ID)
	return c
}

// deviceDocument is of a device of which a person has to take something down.
func (w *world) deviceDocument() string {
	return `{"type":"factory","connector":"` + w.factory().Name + `","id":"` + w.name() + `","config":{"bare":true,"note":"peel it off"}}`
}

// deployment is a new one.
func (w *world) deployment() client.Deployment {
	w.t.Helper()
	var d client.Deployment
	w.call(http.MethodPost, "/api/deployments", w.deviceDocument()).ok(http.StatusOK, &d)
	w.mark(d.UUID)
	return d
}

// torn is a deployment that is torn down, and of which an orphan is left.
func (w *world) torn() client.Deployment {
	w.t.Helper()
	d := w.deployment()
	w.call(http.MethodDelete, "/api/deployments/"+d.UUID, "", header("If-Match", "*")).ok(http.StatusOK, &d)
	return d
}

func deploymentRows() map[string]row {
	whichever := map[string]string{"If-Match": "*"}
	return map[string]row{
		"deploy-device": {role: identity.Admin, call: func(w *world) call {
			return call{body: w.deviceDocument(), want: http.StatusOK}
		}, more: []func(*world) call{
			func(w *world) call {
				w.factory()
				return call{body: `{"type":"mtconnect","id":"a"}`, want: http.StatusUnprocessableEntity}
			},
		}},
		"list-deployments": list(identity.Viewer),
		"list-orphans": {role: identity.Viewer, call: func(w *world) call {
			w.torn()
			return call{want: http.StatusOK}
		}},
		"get-deployment": {role: identity.Viewer, call: func(w *world) call {
			return call{path: []string{w.deployment().UUID}, want: http.StatusOK}
		}, more: []func(*world) call{
			func(*world) call { return call{path: []string{"none"}, want: http.StatusNotFound} },
		}},
		"tear-down-device": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.deployment().Device}, want: http.StatusOK, header: whichever}
		}},
		"retry-deployment": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.torn().UUID}, want: http.StatusOK}
		}},
		"dismiss-orphan": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.torn().UUID, "1"}, want: http.StatusOK, header: whichever}
		}, more: []func(*world) call{
			func(w *world) call {
				return call{path: []string{w.torn().UUID, "7"}, want: http.StatusNotFound, header: whichever}
			},
		}},
	}
}
