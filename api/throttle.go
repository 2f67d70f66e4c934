package api

import (
	"context"
	"time"
)

// How fast the frames of one WebSocket are taken, whatever is in them, and how
// much may come at once.
const (
	framesPerSecond = 200
	framesAtOnce    = 400
	bytesPerSecond  = 8 << 20
	bytesAtOnce     = 16 << 20
)

// throttle is how fast one client's frames are taken. A client that sends faster is
// not refused but waited with: what it sends fills the connection, and it feels
// that. It is used by one goroutine.
type throttle struct {
	frames, bytes float64 // that may come now
	at            time.Time
}

func newThrottle(now time.Time) *throttle { return &throttle{framesAtOnce, bytesAtOnce, now} }

// wait takes a frame of so many bytes, and waits until its time has come.
func (p *throttle) wait(ctx context.Context, size int) error {
	due := p.take(time.Now(), size)
	if due <= 0 {
		return nil
	}
	t := time.NewTimer(due)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take counts a frame, and says how long it comes too early.
func (p *throttle) take(now time.Time, size int) time.Duration {
	passed := now.Sub(p.at).Seconds()
	p.at = now
	p.frames = min(p.frames+passed*framesPerSecond, framesAtOnce) - 1
	p.bytes = min(p.bytes+passed*bytesPerSecond, bytesAtOnce) - float64(size)
	early := max(-p.frames/framesPerSecond, -p.bytes/bytesPerSecond, 0)
	return time.Duration(early * float64(time.Second))
}
