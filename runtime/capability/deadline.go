package capability

import (
	"context"
	"time"
)

// answerTime is what is left of a call's time for the guest to read the answer.
const answerTime = 200 * time.Millisecond

// BeforeDeadline bounds what a host function waits for by most (0: by nothing), and
// ends it a little before ctx's deadline: the guest has to be able to read the
// answer.
func BeforeDeadline(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		if most == 0 {
			return context.WithCancel(ctx)
		}
		return context.WithTimeout(ctx, most)
	}
	left := time.Until(deadline)
	left -= min(left/5, answerTime)
	if most > 0 {
		left = min(left, most)
	}
	return context.WithTimeout(ctx, left)
}
