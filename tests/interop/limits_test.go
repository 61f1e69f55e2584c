// Limits on sizes cut at the same place: exactly at an entry's end, one byte below, one above.

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

// pair is a leader, node 1, and a follower that is played here, node 2.
type pair struct {
	t      *testing.T
	member member.Member
	impl   implementation
	async  bool
	// What the follower has, and whether it answers appends.
	last   uint64
	silent bool
	// Everything that was seen, one line each.
	seen []string
	// The number of entries in each append after the leader was elected that had any.
	appends []int
	// The number of entries in each batch that was handed out to be applied.
	batches []int
	// Messages from the follower.
	answers []*pb.Message
}

// stored is a log of entries with data of these sizes behind a snapshot of index 1.
func stored(sizes []int) (encoded [][]byte) {
	for i, size := range sizes {
		e := &pb.Entry{Term: new(uint64(1)), Index: new(uint64(i) + 2)}
		// Some as v3.6 writes them, which changes their size.
		if i%3 == 1 {
			e.Type = pb.EntryNormal.Enum()
		}
		if size > 0 || i%2 == 1 {
			e.Data = make([]byte, size)
		}
		b, err := deterministic.Marshal(e)
		if err != nil {
			panic(err)
		}
		encoded = append(encoded, b)
	}
	return encoded
}

func newPair(t *testing.T, members [implementations]member.Member, impl implementation, log [][]byte, change func(settings []uint64)) *pair {
	p := &pair{t: t, member: members[impl], impl: impl, last: 1}
	confState := &pb.ConfState{Voters: []uint64{1, 2}, AutoLeave: new(false)}
	numbers := make([]uint64, member.Settings)
	numbers[member.ElectionTicks], numbers[member.HeartbeatTicks] = 10, 1
	numbers[member.MaxSizePerMsg], numbers[member.MaxInflightMsgs] = math.MaxUint64, 256
	numbers[member.Applied], numbers[member.CompactedIndex], numbers[member.CompactedTerm] = 1, 1, 1
	// One append for each step that leads to one, as upstream does.
	numbers[member.Flags], numbers[member.Seed] = member.EagerAppends, 1
	change(numbers)
	p.async = numbers[member.Flags]&member.AsyncWrites != 0
	p.call(&member.Request{Op: member.Reset, A: 1})
	p.call(&member.Request{
		Op: member.Start, Numbers: numbers, List: log,
		X: marshal(t, &pb.HardState{Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(uint64(1))}),
		Y: marshal(t, &pb.Snapshot{Metadata: &pb.SnapshotMetadata{
			Index: new(uint64(1)), Term: new(uint64(1)), ConfState: confState,
		}}),
		Z: marshal(t, confState),
	})
	return p
}

func (p *pair) call(r *member.Request) *member.Response {
	p.t.Helper()
	r.Node = 1
	response := p.member.Call(r)
	if response.Code == member.Failed {
		p.t.Fatalf("%v: %s", p.impl, response.Text)
	}
	return response
}

// lead has the leader elected.
func (p *pair) lead() {
	p.call(&member.Request{Op: member.Campaign})
	p.settle()
}

// settle goes on until nobody has anything to do.
func (p *pair) settle() {
	p.t.Helper()
	for range 1000 {
		busy := false
		for p.call(&member.Request{Op: member.Unreachable, A: 9}).HasReady {
			busy = true
			rd := p.call(&member.Request{Op: member.Ready})
			if len(rd.Committed) > 0 {
				p.batches = append(p.batches, len(rd.Committed))
				p.say("applies %d", len(rd.Committed))
			}
			var responses []*pb.Message
			for _, encoded := range rd.Messages {
				m, err := decode(encoded, &pb.Message{})
				must(p.t, err)
				switch m.GetTo() {
				case raft.LocalAppendThread:
					p.call(&member.Request{Op: member.Save, X: encoded})
					responses = append(responses, m.Responses...)
				case raft.LocalApplyThread:
					responses = append(responses, m.Responses...)
				default:
					p.receive(m)
				}
			}
			if !p.async {
				p.call(&member.Request{Op: member.Advance})
			}
			for _, m := range responses {
				if m.GetTo() == 2 {
					p.receive(m)
				} else {
					p.call(&member.Request{Op: member.Step, X: marshal(p.t, m)})
				}
			}
		}
		answers := p.answers
		p.answers = nil
		for _, m := range answers {
			busy = true
			p.call(&member.Request{Op: member.Step, X: marshal(p.t, m)})
		}
		if !busy {
			return
		}
	}
	p.t.Fatalf("%v: work without end", p.impl)
}

func (p *pair) say(format string, args ...any) {
	p.seen = append(p.seen, fmt.Sprintf(format, args...))
}

// receive is the follower's part.
func (p *pair) receive(m *pb.Message) {
	p.say("%v index %d, log term %d, commit %d, %d entries", m.GetType(), m.GetIndex(), m.GetLogTerm(),
		m.GetCommit(), len(m.Entries))
	answer := &pb.Message{From: new(uint64(2)), To: new(uint64(1)), Term: m.Term}
	switch m.GetType() {
	case pb.MsgVote:
		answer.Type = pb.MsgVoteResp.Enum()
	case pb.MsgHeartbeat:
		answer.Type = pb.MsgHeartbeatResp.Enum()
	case pb.MsgApp:
		if len(m.Entries) > 0 && m.GetIndex() <= p.last {
			p.appends = append(p.appends, len(m.Entries))
		}
		answer.Type, answer.Index = pb.MsgAppResp.Enum(), new(m.GetIndex()+uint64(len(m.Entries)))
		if m.GetIndex() > p.last {
			answer.Index, answer.Reject = new(m.GetIndex()), new(true)
			answer.RejectHint, answer.LogTerm = new(p.last), new(uint64(1))
		} else if !p.silent {
			p.last = max(p.last, answer.GetIndex())
		}
		if p.silent {
			if p.last = answer.GetIndex(); !answer.GetReject() {
				return
			}
		}
	default:
		return
	}
	p.answers = append(p.answers, answer)
}

var sizes = []int{0, 1, 100, 0, 126, 127, 128, 20, 0, 16384, 3}

// boundaries are limits at the end of each number of entries, one below and one above.
func boundaries(t *testing.T, log [][]byte, length func(*pb.Entry) int) (limits []uint64) {
	sum := 0
	for _, encoded := range log {
		e, err := decode(encoded, &pb.Entry{})
		must(t, err)
		sum += length(e)
		for _, limit := range []int{sum - 1, sum, sum + 1} {
			if limit > 0 {
				limits = append(limits, uint64(limit))
			}
		}
	}
	return limits
}

// compare plays something on v3.7 and on ours, and wants the same to be seen.
func compare(t *testing.T, members [implementations]member.Member, what string, play func(impl implementation) *pair) *pair {
	t.Helper()
	want := play(implEtcd37)
	for _, impl := range []implementation{implC, implRust} {
		if got := play(impl); !slices.Equal(got.seen, want.seen) {
			t.Fatalf("%s: %v:\n%s\ninstead of\n%s", what, impl,
				strings.Join(got.seen, "\n"), strings.Join(want.seen, "\n"))
		}
	}
	return want
}

func encodedSize(e *pb.Entry) int { return proto.Size(e) }

func TestAppendsAreCutAtTheSamePlace(t *testing.T) {
	members, log := members(t), stored(sizes)
	firsts := map[int]bool{}
	for _, cache := range []uint64{0, member.SmallCache} {
		for _, limit := range append(boundaries(t, log, encodedSize), 0, math.MaxUint64) {
			play := func(impl implementation) *pair {
				p := newPair(t, members, impl, log, func(settings []uint64) {
					settings[member.MaxSizePerMsg] = limit
					settings[member.MaxCommittedSizePerReady] = math.MaxUint64
					settings[member.Flags] |= cache
				})
				p.lead()
				return p
			}
			want := compare(t, members, fmt.Sprintf("MaxSizePerMsg %d", limit), play)
			firsts[want.appends[0]] = true
			// v3.6 writes, and counts, the new leader's own entry in another way. All before that is
			// stored as it is here only for those that v3.6 has written, and counted two bytes longer
			// for the others, so that it cuts no later.
			if got := play(implEtcd36); got.appends[0] > want.appends[0] {
				t.Errorf("MaxSizePerMsg %d: v3.6 sends %d entries, v3.7 %d", limit, got.appends[0], want.appends[0])
			}
		}
	}
	for count := range sizes {
		if !firsts[count+1] {
			t.Errorf("no limit cut after %d entries", count+1)
		}
	}
}

func TestBatchesToApplyAreCutAtTheSamePlace(t *testing.T) {
	members, log := members(t), stored(sizes)
	firsts := map[int]bool{}
	for _, async := range []uint64{0, member.AsyncWrites} {
		for _, cache := range []uint64{0, member.SmallCache} {
			for _, limit := range append(boundaries(t, log, encodedSize), math.MaxUint64) {
				want := compare(t, members, fmt.Sprintf("MaxCommittedSizePerReady %d, flags %x", limit, async|cache),
					func(impl implementation) *pair {
						p := newPair(t, members, impl, log, func(settings []uint64) {
							settings[member.MaxCommittedSizePerReady] = limit
							settings[member.Flags] |= async | cache
						})
						p.lead()
						return p
					})
				firsts[want.batches[0]] = true
			}
		}
	}
	for count := range sizes {
		if !firsts[count+1] {
			t.Errorf("no limit cut after %d entries", count+1)
		}
	}
}

// With neither limit set, each append has one entry; etcd's library then applies nothing for ever,
// and ours one by one.
func TestWithoutRoomForAByteOursGoesOn(t *testing.T) {
	members, log := members(t), stored(sizes)
	for impl := range implementations {
		p := newPair(t, members, impl, log, func(settings []uint64) { settings[member.MaxSizePerMsg] = 0 })
		p.lead()
		want := 0
		if impl.isOurs() {
			want = len(sizes) + 1
		}
		if len(p.batches) != want || slices.ContainsFunc(p.batches, func(size int) bool { return size != 1 }) {
			t.Errorf("%v: batches of %v entries", impl, p.batches)
		}
		if len(p.appends) != len(sizes)+1 {
			t.Errorf("%v: appends of %v entries", impl, p.appends)
		}
	}
}

func TestBytesInFlightStopAtTheSamePlace(t *testing.T) {
	members, log := members(t), stored(sizes)
	counts := map[int]bool{}
	payload := func(e *pb.Entry) int { return len(e.GetData()) }
	for _, limit := range boundaries(t, log, payload) {
		want := compare(t, members, fmt.Sprintf("MaxInflightBytes %d", limit), func(impl implementation) *pair {
			p := newPair(t, members, impl, nil, func(settings []uint64) {
				settings[member.MaxSizePerMsg], settings[member.MaxInflightBytes] = 1, limit
				settings[member.MaxCommittedSizePerReady] = 1 << 20
			})
			p.lead()
			p.silent = true
			for _, size := range sizes {
				p.call(&member.Request{Op: member.Propose, X: make([]byte, size)})
			}
			p.settle()
			p.say("now it answers")
			p.silent = false
			for _, index := range []uint64{p.last, p.last} {
				p.answers = append(p.answers, &pb.Message{
					Type: pb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(uint64(1)),
					Term: new(uint64(2)), Index: new(index),
				})
				p.settle()
			}
			return p
		})
		silent := slices.Index(want.seen, "now it answers")
		counts[silent] = true
	}
	if len(counts) < 5 {
		t.Errorf("the limits made a difference of %d kinds only", len(counts))
	}
}

func TestProposalsAreDroppedAtTheSamePlace(t *testing.T) {
	members, log := members(t), stored(sizes)
	counts := map[int]bool{}
	payload := func(e *pb.Entry) int { return len(e.GetData()) }
	for _, limit := range boundaries(t, log, payload) {
		play := func(impl implementation) *pair {
			p := newPair(t, members, impl, nil, func(settings []uint64) {
				settings[member.MaxUncommittedSize] = limit
			})
			p.lead()
			p.silent = true
			for round := range 2 {
				for _, size := range sizes {
					response := p.call(&member.Request{Op: member.Propose, X: make([]byte, size)})
					p.say("a proposal of %d bytes: %d", size, response.Code)
				}
				p.settle()
				if round == 0 {
					p.say("now it answers")
					p.answers = append(p.answers, &pb.Message{
						Type: pb.MsgAppResp.Enum(), From: new(uint64(2)), To: new(uint64(1)),
						Term: new(uint64(2)), Index: new(p.last),
					})
					p.settle()
				}
			}
			return p
		}
		want := compare(t, members, fmt.Sprintf("MaxUncommittedEntriesSize %d", limit), play)
		if got := play(implEtcd36); !slices.Equal(got.seen, want.seen) {
			t.Errorf("MaxUncommittedEntriesSize %d: v3.6 does otherwise:\n%s", limit, strings.Join(got.seen, "\n"))
		}
		dropped := 0
		for _, line := range want.seen {
			if strings.HasSuffix(line, fmt.Sprintf("bytes: %d", member.Dropped)) {
				dropped++
			}
		}
		counts[dropped] = true
	}
	if len(counts) < 5 {
		t.Errorf("the limits made a difference of %d kinds only", len(counts))
	}
}
