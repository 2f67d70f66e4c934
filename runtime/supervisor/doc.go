// Package supervisor makes desired state true: it runs an actor for every
// connector that is enabled, starts it again when it fails, swaps it when its
// spec changes, stops it in order, and stands between the actors and what the
// node keeps (the outbox and the store).
//
// A connector has one lane, or one for each of its devices or endpoints. A lane has
// an actor, a key-value state, a cursor, timers and sessions of its own: a line
// that several devices are on is one endpoint, as two lanes would open it twice.
// Lanes share the connector's devices, limits and exchange.
//
// Control writes the spec and pokes the supervisor; nobody else starts or
// stops anything. All goroutines belong to the Supervisor and have ended when
// Stop returns.
package supervisor
