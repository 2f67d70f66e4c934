package badger_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SNAPRAIL_TEST_WRITER"); dir != "" {
		os.Exit(writeUntilKilled(dir))
	}
	if dir := os.Getenv("SNAPRAIL_TEST_READER"); dir != "" {
		os.Exit(readAll(dir))
	}
	goleak.VerifyTestMain(m)
}
