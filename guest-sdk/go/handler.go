package snaprail

import (
	"errors"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// A guest is one value with the handlers that it wants, each an interface of
// one method. The host calls one handler at a time. What a handler builds in
// its Step is applied whole when it returns nil, and not at all when it returns
// an error or panics. An *abi.Error goes to the host as it is; any other error
// becomes one of kind unknown with its text.
//
// Byte slices handed to a handler are valid until it returns: copy what has to
// stay. Strings are the guest's own.

// Opener is called first, with the config. It opens sessions and names devices.
type Opener interface {
	Open(in *abi.OpenInput, step *Step) error
}

// Closer is called last. The host closes the guest's sessions itself, so that
// few guests need one. The reason is one of the abi.Reason constants.
type Closer interface {
	Close(reason string) error
}

// Poller is called at the connector's interval (mode poll). A nil cursor means
// that the source has not been read yet.
type Poller interface {
	Poll(cursor []byte, step *Step) error
}

// EventHandler is called when something happened (mode event). It ignores an
// event of a type that it does not know; the SDK answers that one to the host
// as skipped.
type EventHandler interface {
	OnEvents(events []abi.Event, step *Step) error
}

// Runner is called once and has a loop of its own (mode run), which ends when
// loop.Receive says so.
type Runner interface {
	Run(loop *Loop) error
}

// Converter turns records into records (kind converter). Verdicts in the step
// are on the index of the record in the batch.
type Converter interface {
	Convert(batch *abi.Batch, step *Step) error
}

// Deliverer takes the tenant's records out to where they go (kind sink, or a
// connector that names deliver among its entry points). It returns when they
// have arrived there: then the host counts them as delivered. Verdicts in the
// step count through the records of all parts; Retry holds its record and all
// after it, which are handed in again in the same order. An error holds all of
// them, for RetryAfterMS or for a second and then longer, so that nothing is lost
// while the other side is away. One of kind FaultInvalid or FaultTooLarge says
// that it will never do: the host hands the records in by halves, until the one
// that it is about is alone, and puts that one into quarantine. A record may come
// again, also after a restart: DeliverPart.Key names it.
type Deliverer interface {
	Deliver(in *abi.DeliverInput, step *Step) error
}

// Tester tries a config that may be not in force yet, on a guest of its own: no
// other handler is called before it. A test that fails is an answer, not an
// error: see TestFailed.
type Tester interface {
	Test(in *abi.OpenInput) abi.TestResult
}

// TestFailed is the answer of a test that err has failed. Whoever reads it is
// told what to do next as well as by an operation that fails for the same: the
// code and the hint of err, which may be the host's, are among the details.
func TestFailed(err error) abi.TestResult {
	result := abi.TestResult{Message: err.Error()}
	var said *abi.Error
	if !errors.As(err, &said) {
		return result
	}
	for _, detail := range []struct{ name, text string }{{"code", said.Code}, {"hint", said.Hint}} {
		if detail.text != "" {
			result.Details = append(result.Details, abi.Header{Name: detail.name, Value: []byte(detail.text)})
		}
	}
	return result
}

// Operator answers the operations of the module's category: put and get of
// storage, send_message of email. Each needs an export of its own beside it,
// because the host checks at upload which there are:
//
//	//go:wasmexport op_put
//	func opPut(ptr, n uint32) uint64 { return snaprail.Operation("put", ptr, n) }
//
// The arguments are a JSON object and the answer is JSON; none is null. Bytes
// travel in base64, as encoding/json has them. Operations come between two
// steps, so that what the guest put under its keys is durable when the caller
// has the answer.
type Operator interface {
	Operate(name string, args []byte) ([]byte, error)
}

// ImportNormalizer gets an object that a user imports as configuration and
// answers the one that is to be imported: it takes off what a service wraps
// around its keys. It is called on a guest of its own that was not opened, and
// so are the handlers of OAuth.
type ImportNormalizer interface {
	NormalizeImport(object []byte) ([]byte, error)
}

// OAuthExchanger trades an authorization code for tokens. It answers the
// parameters to set, such as refresh_token, and may reach the token server of
// the manifest and nothing else.
type OAuthExchanger interface {
	ExchangeOAuthCode(in *abi.ExchangeInput) (map[string]string, error)
}

// OAuthAuthorizer answers the address to which a user is sent to consent, if it
// is not the manifest's with the usual parameters.
type OAuthAuthorizer interface {
	OAuthAuthorizeURL(in *abi.AuthorizeInput) (string, error)
}

// handlers says for each entry point whether a value has its handler and which
// interface that is.
var handlers = [...]struct {
	entry string
	name  string
	has   func(any) bool
}{
	{abi.EntryOpen, "Opener", has[Opener]},
	{abi.EntryClose, "Closer", has[Closer]},
	{abi.EntryPoll, "Poller", has[Poller]},
	{abi.EntryOnEvents, "EventHandler", has[EventHandler]},
	{abi.EntryRun, "Runner", has[Runner]},
	{abi.EntryConvert, "Converter", has[Converter]},
	{abi.EntryDeliver, "Deliverer", has[Deliverer]},
	{abi.EntryTest, "Tester", has[Tester]},
	{abi.DescribeOperations, "Operator", has[Operator]},
	{abi.EntryNormalizeImport, "ImportNormalizer", has[ImportNormalizer]},
	{abi.EntryExchangeOAuthCode, "OAuthExchanger", has[OAuthExchanger]},
	{abi.EntryOAuthAuthorizeURL, "OAuthAuthorizer", has[OAuthAuthorizer]},
	{abi.EntryOnPublish, "PublishHandler", has[PublishHandler]},
	{abi.EntryOnQuery, "QueryHandler", has[QueryHandler]},
	{abi.EntryOnRPC, "RPCHandler", has[RPCHandler]},
	{abi.EntryOnCommand, "CommandHandler", has[CommandHandler]},
	{abi.EntryOnAttributes, "AttributesHandler", has[AttributesHandler]},
	{abi.EntryEncode, "Encoder", has[Encoder]},
	{abi.EntryOnJob, "JobHandler", has[JobHandler]},
	{abi.EntryDeploy, "Deployer", has[Deployer]},
	{abi.EntryTearDown, "Deployer", has[Deployer]},
}

func has[H any](handler any) bool {
	_, ok := handler.(H)
	return ok
}
