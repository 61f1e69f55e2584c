// The replicated state: keys with their values, and the members of the cluster. It changes by
// committed entries only, one after the other, so that it is the same on every node; nothing in
// here may depend on the clock, on chance, or on which node it is. It knows nothing of raft.

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	maxID         = 1_000_000
	maxKeyBytes   = 512
	maxValueBytes = 1 << 20
	maxStateBytes = 48 << 20
	// pairOverhead is what a pair counts beyond its key and its value.
	pairOverhead = 16

	opPut    = 1
	opDelete = 2

	snapshotVersion = 1
)

// State is the state as of one index of the log.
type State struct {
	pairs   map[string]pair
	hash    uint64 // the sum of the hashes of all pairs
	bytes   int    // what counts against maxStateBytes
	members map[uint64]string
	removed map[uint64]bool
}

type pair struct {
	value []byte // never changed, so that readers may keep it
	hash  uint64
}

func newState() *State {
	return &State{pairs: map[string]pair{}, members: map[uint64]string{}, removed: map[uint64]bool{}}
}

// tag names a proposal, so that the node that made it finds the request that waits for it.
type tag struct{ node, sequence uint64 }

func (t tag) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, t.node), t.sequence)
}

func takeTag(b []byte) (tag, []byte, bool) {
	if len(b) < 16 {
		return tag{}, nil, false
	}
	return tag{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, b[16:], true
}

// command is the data of an entry that writes.
type command struct {
	tag   tag
	op    byte
	key   []byte
	value []byte
}

func (c *command) encode() []byte {
	b := make([]byte, 0, 16+1+binary.MaxVarintLen16+len(c.key)+len(c.value))
	b = append(c.tag.append(b), c.op)
	b = appendSized(b, c.key)
	return append(b, c.value...)
}

// decodeCommand says whether the data has exactly the form of a command. Whatever gets into the
// log and has another one is skipped, on every node alike.
func decodeCommand(data []byte) (c command, ok bool) {
	rest := data
	if c.tag, rest, ok = takeTag(rest); !ok || len(rest) == 0 {
		return c, false
	}
	c.op, rest = rest[0], rest[1:]
	if c.key, rest, ok = takeSized(rest, maxKeyBytes); !ok || len(c.key) == 0 {
		return c, false
	}
	c.value = rest
	switch c.op {
	case opPut:
		return c, len(c.value) <= maxValueBytes
	case opDelete:
		return c, len(c.value) == 0
	}
	return c, false
}

// apply carries out a command, or says that there is no room for it: then nothing has changed.
func (s *State) apply(c *command) bool {
	if c.op == opPut && !s.fits(c.key, c.value) {
		return false
	}
	key := string(c.key)
	if old, ok := s.pairs[key]; ok {
		s.hash -= old.hash
		s.bytes -= pairBytes(c.key, old.value)
		delete(s.pairs, key)
	}
	if c.op == opPut {
		// A copy: the entry is part of a large buffer that would stay in memory as a whole.
		s.put(key, bytes.Clone(c.value))
	}
	return true
}

func (s *State) put(key string, value []byte) {
	sum := sha256.New()
	sum.Write(binary.AppendUvarint(nil, uint64(len(key))))
	sum.Write([]byte(key))
	sum.Write(value)
	p := pair{value: value, hash: binary.BigEndian.Uint64(sum.Sum(nil))}
	s.pairs[key] = p
	s.hash += p.hash
	s.bytes += pairBytes([]byte(key), value)
}

func pairBytes(key, value []byte) int { return len(key) + len(value) + pairOverhead }

// fits says whether there is room for a write. There is always room for one that does not make
// the state larger, which may be over the limit if it was restored so.
func (s *State) fits(key, value []byte) bool {
	added := pairBytes(key, value)
	if old, ok := s.pairs[string(key)]; ok {
		added -= pairBytes(key, old.value)
	}
	return added <= 0 || s.bytes+added <= maxStateBytes
}

// refuseAdd says why a member can't be added, or nothing if it can. That is asked before the
// change is proposed, and again, for all nodes to agree, when it is applied.
func (s *State) refuseAdd(id uint64, address string) string {
	switch {
	case id < 1 || id > maxID:
		return "no such id"
	case !isAddress(address):
		return "no address"
	case s.removed[id]:
		return "this id was removed before, and ids are never used again"
	}
	for other, itsAddress := range s.members {
		if other != id && itsAddress == address {
			return "member " + strconv.FormatUint(other, 10) + " has this address"
		}
	}
	return ""
}

// refuseRemove does the same for a removal.
func (s *State) refuseRemove(id uint64) string {
	if _, ok := s.members[id]; !ok {
		return "no such member"
	}
	if len(s.members) == 1 {
		return "the last member can't be removed"
	}
	return ""
}

// addMember and removeMember make new maps, since others may be reading the old ones.
func (s *State) addMember(id uint64, address string) {
	s.members = maps.Clone(s.members)
	s.members[id] = address
}

func (s *State) removeMember(id uint64) {
	s.members, s.removed = maps.Clone(s.members), maps.Clone(s.removed)
	delete(s.members, id)
	s.removed[id] = true
}

// encode gives the snapshot of the state: the same bytes for the same state.
func (s *State) encode() []byte {
	b := make([]byte, 0, s.bytes+4096)
	b = append(b, snapshotVersion)
	b = binary.AppendUvarint(b, uint64(len(s.members)))
	for _, id := range slices.Sorted(maps.Keys(s.members)) {
		b = appendSized(binary.AppendUvarint(b, id), []byte(s.members[id]))
	}
	b = binary.AppendUvarint(b, uint64(len(s.removed)))
	for _, id := range slices.Sorted(maps.Keys(s.removed)) {
		b = binary.AppendUvarint(b, id)
	}
	b = binary.AppendUvarint(b, uint64(len(s.pairs)))
	for _, key := range slices.Sorted(maps.Keys(s.pairs)) {
		b = appendSized(appendSized(b, []byte(key)), s.pairs[key].value)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errSnapshot = errors.New("the data of a snapshot is damaged")

// decodeState restores a snapshot, from the disk or from a peer, and trusts neither.
func decodeState(data []byte) (*State, error) {
	if len(data) < 1+sha256.Size {
		return nil, errSnapshot
	}
	rest, trailer := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(rest); !bytes.Equal(sum[:], trailer) || rest[0] != snapshotVersion {
		return nil, errSnapshot
	}
	rest = rest[1:]
	s := newState()
	ok := true
	// Each of these takes something off the front of rest, or says that it is not there.
	number := func() (n uint64) {
		if ok {
			n, rest, ok = takeUvarint(rest)
		}
		return n
	}
	sized := func(most int) (b []byte) {
		if ok {
			b, rest, ok = takeSized(rest, most)
		}
		return b
	}
	id := func(last uint64) uint64 {
		id := number()
		ok = ok && id > last && id <= maxID
		return id
	}
	for n, last := number(), uint64(0); ok && n > 0; n-- {
		last = id(last)
		// However long it is: what has been applied must come back.
		address := string(sized(len(rest)))
		ok = ok && isAddress(address)
		s.members[last] = address
	}
	for n, last := number(), uint64(0); ok && n > 0; n-- {
		last = id(last)
		s.removed[last] = true
	}
	last := ""
	for n := number(); ok && n > 0; n-- {
		key := string(sized(maxKeyBytes))
		value := sized(maxValueBytes)
		ok = ok && key > last
		s.put(key, bytes.Clone(value))
		last = key
	}
	if !ok || len(rest) > 0 {
		return nil, errSnapshot
	}
	return s, nil
}

func appendSized(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

func takeUvarint(b []byte) (uint64, []byte, bool) {
	value, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return value, b[n:], true
}

// takeSized takes a length and as many bytes.
func takeSized(b []byte, most int) (part, rest []byte, ok bool) {
	length, rest, ok := takeUvarint(b)
	if !ok || length > uint64(most) || length > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:length], rest[length:], true
}

// isAddress says whether a text is HOST:PORT.
func isAddress(text string) bool {
	host, port, found := strings.Cut(text, ":")
	if !found || len(host) < 1 || len(host) > 253 {
		return false
	}
	for _, c := range []byte(host) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0 && port[0] != '0'
}

// parseID reads a decimal number without sign and leading zeros.
func parseID(text string) (uint64, bool) {
	id, err := strconv.ParseUint(text, 10, 64)
	return id, err == nil && id >= 1 && id <= maxID && strconv.FormatUint(id, 10) == text
}
