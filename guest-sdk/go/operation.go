package snaprail

import (
	"encoding/json"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func (g *Guest) onOperation(name string, input, reply []byte) ([]byte, error) {
	h := g.operator
	if h == nil {
		return nil, unsupported(abi.DescribeOperations)
	}
	answer, err := h.Operate(name, input)
	if err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		answer = []byte("null")
	}
	return append(reply, answer...), nil
}

// NoOperation is the answer to an operation that the handler does not have.
func NoOperation(name string) error {
	return &abi.Error{
		Kind: abi.FaultUnsupported,
		Code: "unsupported",
		Text: "this guest has no operation " + name,
		Hint: "Its category says which operations there are.",
	}
}

// onSetup serves the entry points that help to configure a connector.
func (g *Guest) onSetup(entry string, input, reply []byte) ([]byte, error) {
	answer, err := g.setUp(entry, input)
	if err != nil {
		return nil, err
	}
	return append(reply, answer...), nil
}

func (g *Guest) setUp(entry string, input []byte) ([]byte, error) {
	switch entry {
	case abi.EntryDeploy, abi.EntryTearDown:
		return g.deploy(entry, input)
	case abi.EntryNormalizeImport:
		if h, ok := g.handler.(ImportNormalizer); ok {
			return h.NormalizeImport(input)
		}
	case abi.EntryExchangeOAuthCode:
		if h, ok := g.handler.(OAuthExchanger); ok {
			var in abi.ExchangeInput
			if err := json.Unmarshal(input, &in); err != nil {
				return nil, unreadable(entry, err)
			}
			params, err := h.ExchangeOAuthCode(&in)
			if err != nil {
				return nil, err
			}
			if params == nil {
				params = map[string]string{}
			}
			return json.Marshal(params)
		}
	case abi.EntryOAuthAuthorizeURL:
		if h, ok := g.handler.(OAuthAuthorizer); ok {
			var in abi.AuthorizeInput
			if err := json.Unmarshal(input, &in); err != nil {
				return nil, unreadable(entry, err)
			}
			url, err := h.OAuthAuthorizeURL(&in)
			if err != nil {
				return nil, err
			}
			return json.Marshal(abi.AuthorizeOutput{URL: url})
		}
	}
	return nil, unsupported(entry)
}

func (g *Guest) deploy(entry string, input []byte) ([]byte, error) {
	h := g.south.deployer
	if h == nil {
		return nil, unsupported(entry)
	}
	var in abi.DeployInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, unreadable(entry, err)
	}
	do := h.Deploy
	if entry == abi.EntryTearDown {
		do = h.TearDown
	}
	answer, err := do(&in)
	if err == nil && len(answer) == 0 {
		answer = []byte("null")
	}
	return answer, err
}
