package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
)

type auditList struct {
	PageQuery
	Connector string    `query:"connector" maxLength:"1024" doc:"Only of this connector, by id or name; one that is gone by its id"`
	Action    string    `query:"action" maxLength:"64" doc:"Only this action, such as connector.update, or connector for all of those"`
	Since     time.Time `query:"since" doc:"Only events of this time or later"`
	Trail     string    `query:"trail" enum:"tenant,server" default:"tenant" doc:"server: what belongs to no tenant, such as callers that were not let in; for the operator of the server alone"`
}

type auditVerify struct {
	Caller
	Trail    string `query:"trail" enum:"tenant,server" default:"tenant" doc:"server: the server's own, for its operator alone"`
	Sequence uint64 `query:"sequence" doc:"Of an event that was noted earlier, with its hash; 0: none was"`
	Hash     string `query:"hash" maxLength:"64" doc:"Of that event"`
}

func (s *Server) auditRoutes() {
	register(s, huma.Operation{
		OperationID: "verify-audit", Method: http.MethodGet, Path: "/api/audit/verify", Tags: []string{"audit"},
		Summary: "See whether the audit trail is as it was written",
		Description: "Each event carries the hash of the one before it. A trail that was changed is an answer too. Note the head that is answered " +
			"outside of the server: who can write its disk can write the whole chain anew, but not the note.",
	}, func(ctx context.Context, in *auditVerify) (*body[client.Verdict], error) {
		var note *identity.Anchor
		if in.Sequence > 0 {
			note = &identity.Anchor{Sequence: in.Sequence, Hash: in.Hash}
		}
		v, err := in.tenant.VerifyAudit(ctx, in.Trail == "server", note)
		if err != nil {
			return nil, err
		}
		return &body[client.Verdict]{client.Verdict{
			OK: v.OK, Events: v.Events, Unchained: v.Unchained, First: v.First, Head: client.Anchor(v.Head), Broken: v.Broken, Reason: v.Reason,
		}}, nil
	})
	register(s, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/audit", Tags: []string{"audit"},
		Summary: "Read the audit trail, the newest event first",
		Description: "Who did what to what, and what was refused to whom. The newest 10000 events are kept. " +
			"A page with a next one may hold fewer events than were asked for, or none.",
	}, func(ctx context.Context, in *auditList) (*body[client.List[client.Event]], error) {
		q := control.AuditQuery{Connector: in.Connector, Action: in.Action, Since: in.Since, Server: in.Trail == "server"}
		list, next, err := in.tenant.Audit(ctx, q, in.page())
		if err != nil {
			return nil, err
		}
		items := make([]client.Event, len(list))
		for i := range list {
			items[i] = eventForm(&list[i])
		}
		return &body[client.List[client.Event]]{client.List[client.Event]{Items: items, Next: next}}, nil
	})
}

func eventForm(e *identity.Event) client.Event {
	return client.Event{
		Sequence: e.Sequence, Time: e.Time, Action: string(e.Action), Connector: e.Connector, Name: e.Name, Module: e.Module,
		Who: client.Who{Kind: string(e.Who.Kind), ID: e.Who.ID, Name: e.Who.Name, User: e.Who.User}, Tenant: e.Tenant,
		On: e.On, Outcome: string(e.Outcome), Code: e.Code, Count: e.Count, First: e.First, Detail: e.Detail,
	}
}
