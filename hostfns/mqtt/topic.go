package mqtt

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
)

// share begins a filter whose messages a group of clients shares out.
const share = "$share/"

// maxLevels bounds a topic and a filter: brokers refuse more.
const maxLevels = 200

var errText = errors.New("has 1 to 65535 bytes of UTF-8 without control characters, in at most 200 levels")

func checkText(text string) error {
	if text == "" || len(text) > wire.MaxText || !utf8.ValidString(text) || strings.Count(text, "/") >= maxLevels ||
		strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
		return errText
	}
	return nil
}

// checkTopic says what is wrong with a topic to publish to.
func checkTopic(topic string) error {
	if strings.ContainsAny(topic, "+#") {
		return errors.New("has a + or a #, which filters have")
	}
	return checkText(topic)
}

// checkFilter says what is wrong with a filter.
func checkFilter(filter string) error {
	if err := checkText(filter); err != nil {
		return err
	}
	_, plain, err := unshared(filter)
	if err != nil {
		return err
	}
	levels := strings.Split(plain, "/")
	for i, level := range levels {
		switch {
		case level == "#" && i < len(levels)-1:
			return errors.New("has a # that is not at its end")
		case len(level) > 1 && strings.ContainsAny(level, "+#"):
			return errors.New("has a + or a # that is not a whole level")
		}
	}
	return nil
}

// unshared is the group of a shared filter, and what it filters. group is empty of
// one that is not shared.
func unshared(filter string) (group, plain string, err error) {
	rest, shared := strings.CutPrefix(filter, share)
	if !shared {
		return "", filter, nil
	}
	group, plain, found := strings.Cut(rest, "/")
	if !found || group == "" || plain == "" || group != "+" && strings.ContainsAny(group, "+#") {
		return "", "", errors.New("is shared without a group or without a filter: want $share/group/filter")
	}
	return group, plain, nil
}

// matches reports whether a filter that is not shared lets a topic through.
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false // a wildcard at the beginning means none of the broker's own
	}
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		t, restT, moreT := strings.Cut(topic, "/")
		switch {
		case f == "#":
			return true
		case f != "+" && f != t:
			return false
		case !moreT:
			return !moreF || restF == "#" // a/# is a, too
		case !moreF:
			return false
		}
		filter, topic = restF, restT
	}
}

// within reports whether all topics that the narrow filter lets through are let
// through by the wide one. What is shared is within what is shared alone: who reads
// as a member of a group takes messages away from the others.
func within(wide, narrow string) bool {
	wideGroup, wide, err := unshared(wide)
	if err != nil {
		return false
	}
	narrowGroup, narrow, err := unshared(narrow)
	if err != nil || wideGroup != narrowGroup && (wideGroup != "+" || narrowGroup == "") {
		return false
	}
	if strings.HasPrefix(narrow, "$") && !strings.HasPrefix(wide, "$") {
		return false
	}
	for {
		w, restW, moreW := strings.Cut(wide, "/")
		n, restN, moreN := strings.Cut(narrow, "/")
		switch {
		case w == "#":
			return true
		case n == "#", w != "+" && w != n:
			return false
		case !moreN:
			return !moreW || restW == "#"
		case !moreW:
			return false
		}
		wide, narrow = restW, restN
	}
}
