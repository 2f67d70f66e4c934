//go:build !wasip1

package kafka

import "github.com/snaprail/snaprail/guest-sdk/go/hostcall"

func hostOpen(request []byte) ([]byte, error) { return hostcall.Native("kafka", "open", request) }

func hostProduce(request []byte) ([]byte, error) { return hostcall.Native("kafka", "produce", request) }

func hostEnsure(request []byte) ([]byte, error) { return hostcall.Native("kafka", "ensure", request) }

func hostTopic(request []byte) ([]byte, error) { return hostcall.Native("kafka", "topic", request) }

func hostDelete(request []byte) ([]byte, error) { return hostcall.Native("kafka", "delete", request) }
