// Package api is the HTTP server of Snaprail: the resources as JSON, the
// stream of records, the metrics, and a status page. It carries requests to
// package control and answers back, and holds no rule of its own: what is
// allowed is decided there, and which tenant's it is by the token alone.
//
// Only cmd imports it. Its invariants: nothing of a tenant is answered without
// that tenant's token; every error has one form, made from the fault table;
// every body, buffer and stream is bounded.
package api
