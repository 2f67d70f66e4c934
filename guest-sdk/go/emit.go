package snaprail

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

// Emit commits what the step holds and empties it, in the middle of a handler: for
// work that takes long, and for answers that come one after the other. It answers
// the sequence of the block that holds it; what was emitted stays, whatever comes
// of the handler. A step that asks for nothing is not sent, and the answer is the
// last sequence of the running call. After an error nothing was committed and the
// step is still whole: an *abi.Error of kind exhausted or unavailable may pass.
func Emit(step *Step) (sequence uint64, err error) {
	request := step.out.Append(hostcall.Request())
	if len(request) == 0 {
		return step.emitted.Sequence, nil
	}
	reply, err := hostEmit(request)
	if err != nil {
		return 0, err
	}
	if err := step.emitted.Decode(reply); err != nil {
		return 0, err
	}
	step.reset()
	return step.emitted.Sequence, nil
}
