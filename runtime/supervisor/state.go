package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/snaprail/snaprail/runtime/store"
)

// statePlaces is what the ids of the states of all lanes with a name begin with.
// No key of the one without a name begins so, as its place ends with a zero.
func statePlaces(connector string) string { return connector + "\x01" }

// laneDigest is the bytes of a lane's digest in the ids of its state: an id has
// no room for a lane's whole name beside the longest key.
const laneDigest = 16

// statePlace is what the ids of the entries of a lane's state begin with; the
// key follows. Each lane has a state of its own (key-value entries), so that no
// order is needed between the blocks of two.
func statePlace(connector, lane string) string {
	if lane == "" {
		return within(connector, "")
	}
	digest := sha256.Sum256([]byte(lane))
	return statePlaces(connector) + hex.EncodeToString(digest[:laneDigest]) + "\x00"
}

// sizeOf counts the bytes of keys and values at a place of a connector's state:
// at statePlaces, or at a statePlace.
func (t *Tenant) sizeOf(ctx context.Context, place string) (size uint64, err error) {
	before := len(place)
	if place[before-1] == '\x01' {
		before += 2*laneDigest + 1
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		size = 0
		for e, err := range store.All(r, store.KV, place) {
			if err != nil {
				return err
			}
			size += uint64(max(0, len(e.ID)-before) + len(e.Value))
		}
		return nil
	})
	return size, err
}
