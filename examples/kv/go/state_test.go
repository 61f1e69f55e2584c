package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// vectors reads the test vectors of the specification.
func vectors(t *testing.T) map[string][]byte {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, m := range regexp.MustCompile("(?m)^`([a-z0-9-]+)`.*\n\n    ([0-9a-f]+)$").FindAllSubmatch(page, -1) {
		found[string(m[1])], err = hex.DecodeString(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func sampleState() *State {
	s := newState()
	for id := uint64(1); id <= 3; id++ {
		s.members[id] = fmt.Sprintf("127.0.0.1:%d", 7000+id)
	}
	return s
}

func TestVectors(t *testing.T) {
	put := command{tag{2, 0x0102030405060708}, opPut, []byte("greeting"), []byte("hello")}
	remove := command{tag{3, 1<<64 - 1}, opDelete, []byte{0, '/', 0xff}, nil}
	initial, full := sampleState(), sampleState()
	full.removed[4] = true
	full.put("a", []byte("1"))
	onlyA := fmt.Sprintf("%016x", full.hash)
	full.put("b", nil)
	three := sampleState()
	three.put("a", []byte("1"))
	three.put("b", nil)
	three.put("\x00\xff/", bytes.Repeat([]byte("x"), 200))

	want := vectors(t)
	for name, got := range map[string][]byte{
		"put":              put.encode(),
		"delete":           remove.encode(),
		"context-add":      append(tag{1, 9}.append(nil), "127.0.0.1:7004"...),
		"context-remove":   tag{1, 10}.append(nil),
		"snapshot-initial": initial.encode(),
		"snapshot":         full.encode(),
	} {
		if !bytes.Equal(got, want[name]) {
			t.Errorf("%s is %x instead of %x", name, got, want[name])
		}
	}
	for name, got := range map[string]string{
		"pair-hash-a-1": onlyA,
		"hash-empty":    fmt.Sprintf("%016x", newState().hash),
		"hash-a-b":      fmt.Sprintf("%016x", full.hash),
		"hash-three":    fmt.Sprintf("%016x", three.hash),
	} {
		if got != hex.EncodeToString(want[name]) {
			t.Errorf("%s is %s instead of %x", name, got, want[name])
		}
	}
	for _, c := range []command{put, remove} {
		got, ok := decodeCommand(c.encode())
		if !ok || got.tag != c.tag || got.op != c.op || !bytes.Equal(got.key, c.key) || !bytes.Equal(got.value, c.value) {
			t.Errorf("%v came back as %v", c, got)
		}
	}
}

func TestTheStateIsWhatWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := sampleState()
	model := map[string]string{}
	for range 2000 {
		c := command{op: opPut, key: fmt.Appendf(nil, "k%d", r.IntN(50)), value: bytes.Repeat([]byte("v"), r.IntN(20))}
		if r.IntN(3) == 0 {
			c.op, c.value = opDelete, nil
			delete(model, string(c.key))
		} else {
			model[string(c.key)] = string(c.value)
		}
		s.apply(&c)
	}
	// The longest address that a change may bring in comes back from the snapshot as well.
	long := strings.Repeat("h", 253) + ":65535"
	if refusal := s.refuseAdd(9, long); refusal != "" {
		t.Fatal(refusal)
	}
	s.addMember(9, long)
	s.removeMember(2)
	fresh := sampleState()
	fresh.addMember(9, long)
	fresh.removeMember(2)
	for key, value := range model {
		fresh.put(key, []byte(value))
	}
	restored, err := decodeState(s.encode())
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*State{"made at once": fresh, "restored": restored} {
		if other.hash != s.hash || other.bytes != s.bytes || len(other.pairs) != len(s.pairs) ||
			!bytes.Equal(other.encode(), s.encode()) {
			t.Errorf("the state differs from the one that is %s", name)
		}
	}
}

func TestTheStateHasABound(t *testing.T) {
	s := newState()
	s.put("k", []byte("value"))
	s.bytes = maxStateBytes
	hash := s.hash
	for _, test := range []struct {
		key, value string
		taken      bool
	}{{"k", "longer", false}, {"l", "", false}, {"k", "other", true}, {"k", "v", true}, {"k", "value", true}} {
		c := command{op: opPut, key: []byte(test.key), value: []byte(test.value)}
		if s.apply(&c) != test.taken {
			t.Errorf("%v is taken: %v", test, !test.taken)
		}
	}
	if s.hash != hash || s.bytes != maxStateBytes || len(s.pairs) != 1 {
		t.Error("what was refused has changed the state")
	}
	// A state that was restored above the limit takes what makes it smaller.
	s.bytes = maxStateBytes + 100
	for value, taken := range map[string]bool{"value": true, "value+": false} {
		if c := (command{op: opPut, key: []byte("k"), value: []byte(value)}); s.apply(&c) != taken {
			t.Errorf("above the limit, %q is taken: %v", value, !taken)
		}
	}
}

// A snapshot that waits in a sender, or that it is sending, is reported when the sender ends.
func TestASenderThatEndsReportsItsSnapshots(t *testing.T) {
	reports := make(chan outcome, 4)
	asked, release := make(chan bool, 1), make(chan bool)
	peer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- true
		<-release
	}))
	defer peer.Close()
	defer close(release)
	sender := startSender("127.0.0.1:1", peer.Listener.Addr().String(), func(o outcome) { reports <- o })
	if !sender.enqueue([]byte("one"), true) {
		t.Fatal("the queue is full")
	}
	<-asked
	if !sender.enqueue([]byte("two"), true) {
		t.Fatal("the queue is full")
	}
	sender.stop()
	if o := <-reports; o != (outcome{snapshots: 2}) {
		t.Errorf("the report is %v", o)
	}
}

// What is damaged is refused, whatever it is, and nothing panics.
func TestDamagedSnapshotsAreRefused(t *testing.T) {
	s := sampleState()
	s.put("key", []byte("value"))
	good := s.encode()
	r := rand.New(rand.NewPCG(2, 2))
	for range 5000 {
		bad := bytes.Clone(good)
		bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		if _, err := decodeState(bad); err == nil {
			t.Fatalf("%x was taken", bad)
		}
		_, _ = decodeState(bad[:r.IntN(len(bad))])
		_, _ = decodeCommand(bad[:r.IntN(len(bad))])
	}
}

func TestAddressesAndIDs(t *testing.T) {
	for text, want := range map[string]bool{
		"a:1": true, "127.0.0.1:65535": true, "x-y.Z:80": true,
		"": false, "a": false, ":1": false, "a:": false, "a:0": false, "a:0080": false, "a:65536": false, "a:+1": false,
		"a b:1": false, "a:1:2": false, "ö:1": false, "[::1]:1": false,
	} {
		if isAddress(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	for text, want := range map[string]bool{
		"1": true, "1000000": true, "0": false, "01": false, "+1": false, "-1": false, "": false, "1000001": false, "1.0": false,
	} {
		if _, ok := parseID(text); ok != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestKeysAreDecodedOnce(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "a%2Fb": "a/b", "a%2fb": "a/b", "%00": "\x00", "+": "+", "%2541": "%41", "a//..": "a//..",
	} {
		if got, err := decodeKey(text); err != nil || string(got) != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "%", "%4", "%zz", "%+1", "%-1", "%%41"} {
		if _, err := decodeKey(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
