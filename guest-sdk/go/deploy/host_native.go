//go:build !wasip1

package deploy

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostConnector(request []byte) ([]byte, error) {
	return hostcall.Native("deploy", "connector", request)
}

func hostDevice(request []byte) ([]byte, error) {
	return hostcall.Native("deploy", "device", request)
}

func hostHTTP(request []byte) ([]byte, error) {
	return hostcall.Native("deploy", "http", request)
}

func hostTopic(request []byte) ([]byte, error) {
	return hostcall.Native("deploy", "topic", request)
}

func hostNote(request []byte) ([]byte, error) {
	return hostcall.Native("deploy", "note", request)
}
