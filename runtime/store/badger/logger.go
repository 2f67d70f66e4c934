package badger

import (
	"fmt"
	"log/slog"
	"strings"
)

// logger hands Badger's lines on, one level quieter than Badger means them:
// what matters to a user comes back as an error.
type logger struct{ log *slog.Logger }

func (l logger) Errorf(format string, args ...any) {
	l.log.Warn("store: " + line(format, args))
}

func (l logger) Warningf(format string, args ...any) {
	l.log.Info("store: " + line(format, args))
}

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("store: " + line(format, args))
}

func (l logger) Debugf(string, ...any) {}

func line(format string, args []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}
