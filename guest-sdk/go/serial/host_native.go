//go:build !wasip1

package serial

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("serial", "open", request) }

func hostWrite(request []byte) ([]byte, error) { return hostcall.Native("serial", "write", request) }

func hostDrain(request []byte) ([]byte, error) { return hostcall.Native("serial", "drain", request) }

func hostFlush(request []byte) ([]byte, error) { return hostcall.Native("serial", "flush", request) }

func hostTransact(request []byte) ([]byte, error) {
	return hostcall.Native("serial", "transact", request)
}

func hostRead(request []byte) ([]byte, error) { return hostcall.Native("serial", "read", request) }

func hostReadUntil(request []byte) ([]byte, error) {
	return hostcall.Native("serial", "read_until", request)
}

func hostSignals(request []byte) ([]byte, error) {
	return hostcall.Native("serial", "signals", request)
}

func hostSetSignals(request []byte) ([]byte, error) {
	return hostcall.Native("serial", "set_signals", request)
}

func hostBreak(request []byte) ([]byte, error) { return hostcall.Native("serial", "break", request) }

func hostList(request []byte) ([]byte, error) { return hostcall.Native("serial", "list", request) }
