package spec

import "encoding/json"

// BareGrant is a Grant whose JSON does not tell null from what is left out.
type BareGrant Grant

// UnmarshalJSON tells an interlock that is null from one that is left out.
func (g *Grant) UnmarshalJSON(raw []byte) error {
	if err := json.Unmarshal(raw, (*BareGrant)(g)); err != nil {
		return err
	}
	var said struct {
		Interlock json.RawMessage `json:"interlock"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return err
	}
	g.Unlock = g.Interlock == nil && string(said.Interlock) == "null"
	return nil
}

// MarshalJSON says null where Unlock is set.
func (g Grant) MarshalJSON() ([]byte, error) {
	if g.Interlock != nil || !g.Unlock {
		return json.Marshal(BareGrant(g))
	}
	return json.Marshal(struct {
		BareGrant
		Interlock *Interlock `json:"interlock"`
	}{BareGrant: BareGrant(g)})
}
