package snaprail

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// MaxKnown is how many devices Known names to the host.
const MaxKnown = 10_000

// knownKey is where Known keeps its mark in the connector's state.
const knownKey = "snaprail/known"

// Known names devices to the host when they are first seen, for a source whose
// devices are in what it reads. The host may refuse a step, of which its guest does
// not hear: what was named in it was not, and is named again. The group kv tells: a
// mark is put there in the same step, and what is not marked was not taken. A module
// that has a Known asks for kv in its manifest.
//
// It is for Open, Poll, OnEvents and Run, and not for handlers of messages, of which
// one in a step may fail alone.
type Known struct {
	told   map[string]bool
	unsure []unsureName // oldest first
	life   string       // of this guest, in its marks
	last   uint64       // mark
	mark   uint64       // of the part of a step that is being made
	at     int          // that part
	full   bool         // and the guest was told
}

// unsureName is a device that was named in a step that may have come to nothing.
type unsureName struct {
	device string
	mark   uint64
}

// Open forgets what was before, and takes the devices that the host has.
func (k *Known) Open(in *abi.OpenInput) {
	*k = Known{told: make(map[string]bool, len(in.Devices)), last: k.last, life: strconv.FormatInt(time.Now().UnixNano(), 36) + "/"}
	for i := range in.Devices {
		k.told[in.Devices[i].ID] = true
	}
}

// Name adds a device to the step, unless the host knows it. It answers false, once,
// when there are more than MaxKnown: that one and all further ones are not listed.
func (k *Known) Name(step *Step, deviceType, device string) bool {
	was := k.full
	if k.Tell(step, device) {
		step.PutDevice(device, deviceType, device)
	}
	return was || !k.full
}

// Tell reports whether the host is to be told of a device in this step: it was not
// yet, or in a step that came to nothing. Whoever asks tells it.
func (k *Known) Tell(step *Step, device string) bool {
	if len(k.unsure) > 0 && k.at != step.emptied {
		k.settle()
	}
	switch {
	case k.told[device]:
		return false
	case len(k.told) >= MaxKnown:
		k.full = true
		return false
	}
	if len(k.unsure) == 0 || k.at != step.emptied { // the first of this part of the step
		k.last++
		k.mark, k.at = k.last, step.emptied
		if !putMark(k.life + strconv.FormatUint(k.mark, 10)) {
			k.mark = math.MaxUint64 // what cannot be marked is told again in the next step
		}
	}
	if k.told == nil {
		k.told = map[string]bool{}
	}
	k.told[device] = true
	k.unsure = append(k.unsure, unsureName{device, k.mark})
	return true
}

// settle sees which of the names came to be, and forgets the others.
func (k *Known) settle() {
	taken := k.taken()
	for _, u := range k.unsure {
		if u.mark > taken {
			delete(k.told, u.device)
		}
	}
	k.unsure = k.unsure[:0]
}

// taken is the last mark of this guest that the host has.
func (k *Known) taken() uint64 {
	reply, err := hostStateGet(abi.KVKey{Key: knownKey}.Append(hostcall.Request()))
	var kept abi.KVValue
	if err != nil || kept.Decode(reply) != nil {
		return 0
	}
	text, ours := strings.CutPrefix(string(kept.Value), k.life)
	mark, err := strconv.ParseUint(text, 10, 64)
	if !ours || err != nil {
		return 0
	}
	return mark
}

func putMark(mark string) bool {
	_, err := hostStatePut(abi.KVPut{Key: knownKey, Value: []byte(mark)}.Append(hostcall.Request()))
	return err == nil
}
