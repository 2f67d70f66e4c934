package badger

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// What Badger writes to the log of a memory table, a .mem file: a header of
// 20 bytes, then records, then zeros. A record is
//
//	meta:1 user:1 keyLen:uvarint valueLen:uvarint expires:uvarint key value crc32c:4
//
// and its key ends with the complement of its commit's number. The records of
// a commit carry bitTxn, and one with bitFinTxn ends them.
const (
	logHeader = 20
	logSize   = 2 * memTableSize
	// smallLog is the size of the logs of stores that were made with smaller
	// memory tables.
	smallLog  = 16 << 20
	bitTxn    = 1 << 6
	bitFinTxn = 1 << 7

	minRecord   = 2 + 3 + 8 + 4
	maxLogKey   = 1024 // more than tenant, bucket and id need
	maxLogValue = store.MaxValue + 1024
)

// checkLogs finds damage in the logs that Badger would heal by dropping all
// that follows it, acknowledged or not, and returns the number of the last
// whole commit.
//
// A commit is synced before the next one is written. So whatever a crash
// leaves of the last commit, nothing later can follow it; where something
// does, commits that were acknowledged are unreadable. Damage to the very last
// commit looks like a torn one and is not found; nor is a file that was cut off
// exactly where a commit ends, which is how Badger leaves a log it has healed.
func checkLogs(dir string) (newest uint64, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return 0, fault.Wrap(fault.Internal, err, "the store's logs cannot be listed")
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return 0, fault.Wrap(fault.Internal, err, "a log of the store cannot be read")
		}
		last, ok := checkLog(bytes.TrimRight(data, "\x00"), len(data))
		if !ok {
			return 0, damaged(nil, "the log %s is damaged: the changes after that cannot be read", path)
		}
		newest = max(newest, last)
	}
	return newest, nil
}

// checkLog returns the number of a log's last whole commit, and whether
// nothing but a commit under way can be lost behind it. It takes the bytes in
// use, without the zeros behind them, and the size of the file.
func checkLog(used []byte, size int) (last uint64, ok bool) {
	data := slices.Concat(used, make([]byte, 16)) // the last record may end with zeros
	whole, last := replay(data)
	if size > logHeader && size < logSize && size != smallLog && size != whole {
		return last, false // Badger makes a log shorter only to end it with a whole commit
	}
	torn := last + 1 // the commit that may have been under way at a crash
	if r, ok := parseRecord(data[min(whole, len(data)):]); ok && r.meta&bitTxn != 0 {
		torn = max(torn, r.commit) // nothing is between: Badger refused the numbers that are left out
	}
	for off := whole; off < len(data); off++ {
		r, ok := parseRecord(data[off:])
		if !ok || r.meta == 0 {
			continue
		}
		if torn == 1 { // no commit was whole, so that this may be it
			torn = r.commit
		}
		if r.commit > torn {
			return last, false
		}
	}
	return last, true
}

// replay follows the whole commits as Badger does and returns where they end
// and the number of the last.
func replay(data []byte) (whole int, last uint64) {
	whole = logHeader
	var open uint64 // the commit that has begun and not ended
	for off := whole; off < len(data); {
		r, ok := parseRecord(data[off:])
		if !ok || open != 0 && r.commit != open {
			break
		}
		off += r.size
		switch {
		case r.meta&bitTxn != 0:
			open = r.commit
			continue
		case r.meta&bitFinTxn != 0:
			if open == 0 {
				return whole, last
			}
			last, open = r.commit, 0
		}
		whole = off
	}
	return whole, last
}

type record struct {
	meta   byte
	commit uint64
	size   int
}

// parseRecord reads one record. It takes only what this package lets Badger
// write, so that a search through damaged bytes is quick.
func parseRecord(data []byte) (record, bool) {
	if len(data) < minRecord || data[0]&^(bitTxn|bitFinTxn) != 0 || data[1] != 0 {
		return record{}, false
	}
	off := 2
	var lens [3]uint64 // of key and value; expiry
	for i := range lens {
		v, n := binary.Uvarint(data[off:])
		if n <= 0 {
			return record{}, false
		}
		lens[i], off = v, off+n
	}
	if lens[0] < 8 || lens[0] > maxLogKey || lens[1] > maxLogValue || lens[2] != 0 {
		return record{}, false
	}
	keyEnd := off + int(lens[0]) //nolint:gosec // at most maxLogKey
	end := keyEnd + int(lens[1]) //nolint:gosec // at most maxLogValue
	if end+crc32.Size > len(data) {
		return record{}, false
	}
	sum := crc32.Checksum(data[:end], crc32.MakeTable(crc32.Castagnoli))
	if sum != binary.BigEndian.Uint32(data[end:]) {
		return record{}, false
	}
	return record{
		meta:   data[0],
		commit: math.MaxUint64 - binary.BigEndian.Uint64(data[keyEnd-8:]),
		size:   end + crc32.Size,
	}, true
}
