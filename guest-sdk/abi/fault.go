package abi

import (
	"errors"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// What can be wrong with encoded input; decoders wrap one of these.
var (
	// ErrMalformed is input that is not the message it should be.
	ErrMalformed = wire.ErrMalformed
	// ErrTooLarge is input beyond one of the bounds of a crossing.
	ErrTooLarge = errors.New("beyond a bound of the contract")
	// ErrKind is a record of a kind that a guest may not write: KindGap, or
	// one that this version does not know.
	ErrKind = errors.New("a kind of record that a guest may not write")
)

// detail says where in the input an error is.
type detail struct {
	text string
	err  error
}

func (d *detail) Error() string { return d.text + ": " + d.err.Error() }
func (d *detail) Unwrap() error { return d.err }

// at says which element of a repeated field err is about.
func at(what string, i int, err error) error {
	if err == nil {
		return nil
	}
	return &detail{text: what + " " + strconv.Itoa(i), err: err}
}

func tooLarge(what string, bound int) error {
	return &detail{text: "more than " + strconv.Itoa(bound) + " " + what, err: ErrTooLarge}
}

func outOfRange(what string, index uint64, entries int) error {
	return &detail{
		text: what + " " + strconv.FormatUint(index, 10) + " of a table of " + strconv.Itoa(entries),
		err:  ErrMalformed,
	}
}
