// What travels, and what is stored: the bytes of each implementation in each other one.

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"libraft.dev/tests/interop/member"
)

// maxPosition is the largest index and the largest term that libraft takes.
const maxPosition = math.MaxInt64

// recode decodes and encodes in an implementation.
func recode(m member.Member, kind uint64, encoded []byte) ([]byte, error) {
	response := m.Call(&member.Request{Op: member.Recode, A: kind, X: encoded})
	if response.Code != member.OK {
		return nil, fmt.Errorf("%s", response.Text)
	}
	return response.Data, nil
}

func size(t *testing.T, m member.Member, encoded []byte) uint64 {
	t.Helper()
	response := m.Call(&member.Request{Op: member.Recode, A: member.KindEntrySize, X: encoded})
	if response.Code != member.OK {
		t.Fatalf("%x: %s", encoded, response.Text)
	}
	return response.Applied
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	encoded, err := deterministic.Marshal(m)
	must(t, err)
	return encoded
}

// draw makes messages in which each field has some value, or none.
type draw struct{ *rand.Rand }

func (d draw) one(of int) bool { return d.IntN(of) == 0 }

// number is absent, zero, at an edge of its encoding, or anything.
func (d draw) number() *uint64 {
	edges := []uint64{0, 1, 127, 128, 300, 1<<32 - 1, 1 << 32, maxPosition - 1, maxPosition}
	switch d.IntN(8) {
	case 0, 1:
		return nil
	case 2:
		return new(d.Uint64N(1 << 20))
	}
	return new(edges[d.IntN(len(edges))])
}

// wild is a number that may be beyond all bounds.
func (d draw) wild() *uint64 {
	if d.one(60) {
		return new(uint64(maxPosition + 1))
	}
	if d.one(60) {
		return new(uint64(math.MaxUint64))
	}
	return d.number()
}

// data is absent, empty, or something.
func (d draw) data() []byte {
	switch d.IntN(4) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	b := make([]byte, []int{1, 5, 126, 127, 128, 129, 300}[d.IntN(7)])
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return b
}

func (d draw) flag() *bool {
	switch d.IntN(3) {
	case 0:
		return nil
	case 1:
		return new(false)
	}
	return new(true)
}

func (d draw) entry() *pb.Entry {
	e := &pb.Entry{Term: d.wild(), Index: d.wild(), Data: d.data()}
	if !d.one(3) {
		e.Type = pb.EntryType(d.IntN(3)).Enum()
	}
	if d.one(100) {
		e.Type = pb.EntryType(3 + d.IntN(200)).Enum()
	}
	return e
}

func (d draw) entries() (entries []*pb.Entry) {
	for range []int{0, 1, 1, 2, 3}[d.IntN(5)] {
		entries = append(entries, d.entry())
	}
	return entries
}

func (d draw) ids() (ids []uint64) {
	for range d.IntN(4) {
		ids = append(ids, d.Uint64N(9)+1, d.Uint64())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (d draw) confState() *pb.ConfState {
	return &pb.ConfState{
		Voters: d.ids(), Learners: d.ids(), VotersOutgoing: d.ids(), LearnersNext: d.ids(), AutoLeave: d.flag(),
	}
}

func (d draw) snapshot() *pb.Snapshot {
	s := &pb.Snapshot{Data: d.data()}
	if !d.one(5) {
		s.Metadata = &pb.SnapshotMetadata{Index: d.wild(), Term: d.wild()}
		if !d.one(5) {
			s.Metadata.ConfState = d.confState()
		}
	}
	return s
}

func (d draw) message(depth int) *pb.Message {
	m := &pb.Message{
		Type: pb.MessageType(d.IntN(24)).Enum(),
		To:   d.wild(), From: d.wild(), Term: d.wild(), LogTerm: d.wild(), Index: d.wild(),
		Commit: d.wild(), Vote: d.wild(), Reject: d.flag(), RejectHint: d.wild(), Context: d.data(),
		Entries: d.entries(),
	}
	switch d.IntN(60) {
	case 0:
		m.Type = nil
	case 1:
		// From 100 on, some are ours, for nodes that have asked for them.
		m.Type = pb.MessageType([]int{24, 25, 99, 110, 127, 128, 300, 1 << 30}[d.IntN(8)]).Enum()
	case 2:
		m.Type = pb.MessageType(-1).Enum()
	}
	if d.one(2) {
		m.Context = []byte("CampaignTransfer")
	}
	if d.one(2) {
		m.Snapshot = d.snapshot()
	}
	if depth > 0 {
		for range d.IntN(3) {
			m.Responses = append(m.Responses, d.message(depth-1))
		}
	}
	return m
}

// meaning is what a message says: the fields that its type has, zeros and absent ones being the
// same. The error says why no node can take it.
func meaning(m *pb.Message) (*pb.Message, error) {
	bounded := func(numbers ...uint64) error {
		for _, number := range numbers {
			if number > maxPosition {
				return fmt.Errorf("a position of %d", number)
			}
		}
		return nil
	}
	if err := bounded(m.GetTerm(), m.GetIndex(), m.GetLogTerm(), m.GetCommit()); err != nil {
		return nil, err
	}
	var failure error
	note := func(err error) {
		if failure == nil {
			failure = err
		}
	}
	number := func(n uint64) *uint64 {
		if n == 0 {
			return nil
		}
		return new(n)
	}
	data := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		return b
	}
	entries := func() (list []*pb.Entry) {
		for _, e := range m.Entries {
			note(bounded(e.GetTerm(), e.GetIndex()))
			if e.GetType() > pb.EntryConfChangeV2 {
				note(fmt.Errorf("an entry of type %d", e.GetType()))
			}
			said := &pb.Entry{Type: e.GetType().Enum(), Index: number(e.GetIndex()), Data: data(e.GetData())}
			if e.GetIndex() != 0 {
				// What has no place yet has no term either.
				said.Term = number(e.GetTerm())
			}
			list = append(list, said)
		}
		return list
	}
	name := func() []*pb.Entry {
		if len(m.Entries) != 1 {
			note(fmt.Errorf("%d names of a read", len(m.Entries)))
			return nil
		}
		return []*pb.Entry{{Data: data(m.Entries[0].GetData())}}
	}
	snapshot := func() *pb.Snapshot {
		s := m.GetSnapshot()
		meta := s.GetMetadata()
		note(bounded(meta.GetIndex(), meta.GetTerm()))
		c := meta.GetConfState()
		return &pb.Snapshot{Data: data(s.GetData()), Metadata: &pb.SnapshotMetadata{
			Index: number(meta.GetIndex()), Term: number(meta.GetTerm()), ConfState: &pb.ConfState{
				Voters: c.GetVoters(), Learners: c.GetLearners(), VotersOutgoing: c.GetVotersOutgoing(),
				LearnersNext: c.GetLearnersNext(), AutoLeave: new(c.GetAutoLeave()),
			},
		}}
	}
	maybeSnapshot := func() *pb.Snapshot {
		if m.Snapshot == nil {
			return nil
		}
		return snapshot()
	}
	responses := func() (list []*pb.Message) {
		for _, response := range m.Responses {
			said, err := meaning(response)
			note(err)
			list = append(list, said)
		}
		return list
	}
	said := &pb.Message{
		Type: m.GetType().Enum(), To: number(m.GetTo()), From: number(m.GetFrom()), Term: number(m.GetTerm()),
	}
	switch m.GetType() {
	case pb.MsgProp:
		said.Entries = entries()
	case pb.MsgApp:
		said.Index, said.LogTerm = number(m.GetIndex()), number(m.GetLogTerm())
		said.Entries, said.Commit = entries(), number(m.GetCommit())
	case pb.MsgAppResp:
		said.Index = number(m.GetIndex())
		if m.GetReject() {
			note(bounded(m.GetRejectHint()))
			said.Reject, said.RejectHint = new(true), number(m.GetRejectHint())
			said.LogTerm = number(m.GetLogTerm())
		}
	case pb.MsgVote, pb.MsgPreVote:
		said.Index, said.LogTerm = number(m.GetIndex()), number(m.GetLogTerm())
		if string(m.GetContext()) == "CampaignTransfer" {
			said.Context = m.GetContext()
		}
	case pb.MsgVoteResp, pb.MsgPreVoteResp:
		if m.GetReject() {
			said.Reject = new(true)
		}
	case pb.MsgSnap:
		said.Snapshot = snapshot()
	case pb.MsgHeartbeat:
		said.Commit, said.Context = number(m.GetCommit()), data(m.GetContext())
	case pb.MsgHeartbeatResp:
		said.Context = data(m.GetContext())
	case pb.MsgReadIndex:
		said.Entries = name()
	case pb.MsgReadIndexResp:
		said.Index, said.Entries = number(m.GetIndex()), name()
	case pb.MsgTransferLeader, pb.MsgTimeoutNow, pb.MsgForgetLeader:
	case pb.MsgStorageAppend:
		said.Vote, said.Commit = number(m.GetVote()), number(m.GetCommit())
		said.Entries, said.Snapshot, said.Responses = entries(), maybeSnapshot(), responses()
	case pb.MsgStorageAppendResp:
		if m.GetIndex() != 0 {
			said.Index, said.LogTerm = number(m.GetIndex()), number(m.GetLogTerm())
		}
		said.Snapshot = maybeSnapshot()
	case pb.MsgStorageApply:
		// Of no term in particular, as what follows.
		said.Term = nil
		said.Entries, said.Responses = entries(), responses()
	case pb.MsgStorageApplyResp:
		said.Term = nil
		said.Entries = entries()
	default:
		note(fmt.Errorf("a message of type %v", m.GetType()))
	}
	return said, failure
}

func meaningOf(t *testing.T, encoded []byte) *pb.Message {
	t.Helper()
	m, err := decode(encoded, &pb.Message{})
	must(t, err)
	said, err := meaning(m)
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	return said
}

// Whatever a message holds: what the others' bytes say, ours say, and the other way round.
func TestMessagesSayTheSameToAll(t *testing.T) {
	members := members(t)
	d := draw{rand.New(rand.NewPCG(1, 2))}
	taken, refused := map[pb.MessageType]int{}, 0
	for range 20000 {
		m := d.message(2)
		said, reason := meaning(m)
		theirs := marshal(t, m)
		ours, err := recode(members[implRust], member.KindMessage, theirs)
		if reason != nil {
			if err == nil {
				t.Fatalf("we take %v with %v", m, reason)
			}
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("we refuse %v: %v", m, err)
		}
		taken[m.GetType()]++
		if got := meaningOf(t, ours); !proto.Equal(got, said) {
			t.Fatalf("%v\nbecame\n%v", said, got)
		}
		// Once it is in our form, nothing changes any more: in Go, and here again.
		for _, impl := range []implementation{implEtcd37, implRust} {
			if again, err := recode(members[impl], member.KindMessage, ours); err != nil || string(again) != string(ours) {
				t.Fatalf("%v: %x became %x, %v", impl, ours, again, err)
			}
		}
		// By way of v3.6, which writes zeros that are absent, and what it makes of ours.
		old, err := recode(members[implEtcd36], member.KindMessage, theirs)
		must(t, err)
		byOld, err := recode(members[implRust], member.KindMessage, old)
		must(t, err)
		if got := meaningOf(t, byOld); !proto.Equal(got, said) {
			t.Fatalf("from v3.6, %v\nbecame\n%v", said, got)
		}
		toOld, err := recode(members[implEtcd36], member.KindMessage, ours)
		must(t, err)
		if got := meaningOf(t, toOld); !proto.Equal(got, said) {
			t.Fatalf("to v3.6, %v\nbecame\n%v", said, got)
		}
	}
	for kind := range pb.MessageType(24) {
		local := kind <= pb.MsgBeat || kind >= pb.MsgUnreachable && kind <= pb.MsgCheckQuorum
		if (taken[kind] > 0) == local {
			t.Errorf("%d messages of type %v were taken", taken[kind], kind)
		}
	}
	if refused == 0 {
		t.Error("none was refused")
	}
}

// writeZeroIndex makes one of the two forms of an acknowledgement of nothing. v3.7 leaves its index
// out when it answers a leader of an older term, and else writes it; we always do. It is the only
// difference between its bytes and ours.
func writeZeroIndex(m *pb.Message) {
	if m.GetType() == pb.MsgAppResp {
		m.Index = new(m.GetIndex())
	}
	for _, response := range m.Responses {
		writeZeroIndex(response)
	}
}

// What v3.7's nodes send, we would write just so; and Go writes just so what ours send. v3.6's say
// the same.
func TestMessagesOfNodesAreTheSameBytes(t *testing.T) {
	members := members(t)
	seen := map[string]int{}
	// Where v3.6 takes part, others may pass on what it has written.
	for _, mix := range []string{"3.7", "all"} {
		for seed := uint64(101); seed <= 105; seed++ {
			c := newCluster(members, mixes[mix], seed, newCoverage())
			c.inspect = func(impl implementation, encoded []byte) error {
				m, err := decode(encoded, &pb.Message{})
				if err != nil {
					return err
				}
				seen[fmt.Sprintf("%v from %v", m.GetType(), impl)]++
				with := members[implRust]
				if impl.isOurs() {
					with = members[implEtcd37]
				}
				return sameBytes(m, encoded, with, mix == "3.7")
			}
			if err := c.run(seed, 8000); err != nil {
				t.Fatal(failure(mix, seed, 8000, err))
			}
		}
	}
	for impl := range implementations {
		for _, kind := range []pb.MessageType{
			pb.MsgProp, pb.MsgApp, pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgSnap, pb.MsgHeartbeat,
			pb.MsgHeartbeatResp, pb.MsgTransferLeader, pb.MsgTimeoutNow, pb.MsgReadIndex, pb.MsgReadIndexResp,
			pb.MsgPreVote, pb.MsgPreVoteResp, pb.MsgStorageAppend, pb.MsgStorageAppendResp, pb.MsgStorageApply,
			pb.MsgStorageApplyResp,
		} {
			if name := fmt.Sprintf("%v from %v", kind, impl); seen[name] == 0 {
				t.Errorf("no %s was seen", name)
			}
		}
	}
}

// sameBytes decodes and encodes a node's message elsewhere.
func sameBytes(m *pb.Message, encoded []byte, with member.Member, exactly bool) error {
	recoded, err := recode(with, member.KindMessage, encoded)
	if err != nil {
		return fmt.Errorf("%v can't be decoded: %w", m, err)
	}
	if string(recoded) == string(encoded) {
		return nil
	}
	got, err := decode(recoded, &pb.Message{})
	if err != nil {
		return err
	}
	if exactly {
		writeZeroIndex(m)
		writeZeroIndex(got)
	} else if m, err = meaning(m); err == nil {
		got, err = meaning(got)
	}
	if err == nil && !proto.Equal(m, got) {
		err = fmt.Errorf("%x became %x", encoded, recoded)
	}
	if err != nil {
		return fmt.Errorf("%v: %w", m, err)
	}
	return nil
}

// An entry that has its place keeps its bytes, whoever wrote it, and so its size: that is where
// limits cut.
func TestEntriesKeepTheirBytesAndSizes(t *testing.T) {
	members := members(t)
	d := draw{rand.New(rand.NewPCG(3, 4))}
	for range 5000 {
		e := d.entry()
		e.Type = pb.EntryType(d.IntN(3)).Enum()
		if d.one(2) && e.GetType() == pb.EntryNormal {
			e.Type = nil
		}
		e.Index = new(1 + d.Uint64N(1<<d.IntN(63)))
		e.Term = new(d.Uint64N(1 << d.IntN(63)))
		forms := [][]byte{marshal(t, e)}
		old, err := recode(members[implEtcd36], member.KindEntry, forms[0])
		must(t, err)
		forms = append(forms, old)
		for _, form := range forms {
			ours, err := recode(members[implRust], member.KindEntry, form)
			must(t, err)
			if string(ours) != string(form) {
				t.Fatalf("%v: %x became %x", e, form, ours)
			}
			want := uint64(len(form))
			for _, impl := range []implementation{implEtcd37, implRust} {
				if got := size(t, members[impl], form); got != want {
					t.Fatalf("%x has %d bytes, and a size of %d in %v", form, want, got, impl)
				}
			}
		}
		// v3.6 counts as it writes.
		if got := size(t, members[implEtcd36], forms[0]); got != uint64(len(old)) {
			t.Fatalf("%x has a size of %d in v3.6 instead of %d", forms[0], got, len(old))
		}
	}
}

// What is stored, or inside of something else. In its full form each has the same bytes
// everywhere; in any other form, the same meaning.
func TestStoredStatesSayTheSameToAll(t *testing.T) {
	members := members(t)
	d := draw{rand.New(rand.NewPCG(5, 6))}
	or := func(n *uint64) *uint64 {
		if n == nil {
			return new(uint64(0))
		}
		return n
	}
	full := func(m proto.Message) proto.Message {
		m = proto.Clone(m)
		switch m := m.(type) {
		case *pb.HardState:
			m.Term, m.Vote, m.Commit = or(m.Term), or(m.Vote), or(m.Commit)
		case *pb.ConfState:
			m.AutoLeave = new(m.GetAutoLeave())
		case *pb.Snapshot:
			pb.EnsureSnapshot(m)
			if len(m.Data) == 0 {
				m.Data = nil
			}
		case *pb.ConfChange:
			m.Type, m.NodeId = m.GetType().Enum(), or(m.NodeId)
			if m.GetId() == 0 {
				m.Id = nil
			}
			if len(m.Context) == 0 {
				m.Context = nil
			}
		case *pb.ConfChangeV2:
			m.Transition = m.GetTransition().Enum()
			for _, change := range m.Changes {
				change.Type, change.NodeId = change.GetType().Enum(), or(change.NodeId)
			}
			if len(m.Context) == 0 {
				m.Context = nil
			}
		}
		return m
	}
	single := func() *pb.ConfChangeSingle {
		s := &pb.ConfChangeSingle{NodeId: d.number()}
		if !d.one(3) {
			s.Type = pb.ConfChangeType(d.IntN(4)).Enum()
		}
		return s
	}
	kinds := []struct {
		kind uint64
		make func() proto.Message
		none func() proto.Message
	}{
		{member.KindHardState, func() proto.Message {
			return &pb.HardState{Term: d.number(), Vote: d.wild(), Commit: d.number()}
		}, func() proto.Message { return &pb.HardState{} }},
		{member.KindConfState, func() proto.Message { return d.confState() },
			func() proto.Message { return &pb.ConfState{} }},
		{member.KindSnapshot, func() proto.Message {
			s := d.snapshot()
			if s.Metadata != nil {
				s.Metadata.Index, s.Metadata.Term = d.number(), d.number()
			}
			return s
		}, func() proto.Message { return &pb.Snapshot{} }},
		{member.KindConfChange, func() proto.Message {
			s := single()
			return &pb.ConfChange{Id: d.wild(), Type: s.Type, NodeId: s.NodeId, Context: d.data()}
		}, func() proto.Message { return &pb.ConfChange{} }},
		{member.KindConfChangeV2, func() proto.Message {
			change := &pb.ConfChangeV2{Context: d.data()}
			if !d.one(3) {
				change.Transition = pb.ConfChangeTransition(d.IntN(3)).Enum()
			}
			for range d.IntN(4) {
				change.Changes = append(change.Changes, single())
			}
			return change
		}, func() proto.Message { return &pb.ConfChangeV2{} }},
	}
	for _, k := range kinds {
		for range 2000 {
			m := k.make()
			theirs, want := marshal(t, m), marshal(t, full(m))
			old, err := recode(members[implEtcd36], k.kind, theirs)
			must(t, err)
			for _, form := range [][]byte{theirs, want, old} {
				ours, err := recode(members[implRust], k.kind, form)
				must(t, err)
				if string(ours) != string(want) {
					t.Fatalf("%T %v: %x became %x instead of %x", m, m, form, ours, want)
				}
			}
			byOld, err := recode(members[implEtcd36], k.kind, want)
			must(t, err)
			got, err := decode(byOld, k.none())
			must(t, err)
			if !proto.Equal(full(got), full(m)) {
				t.Fatalf("v3.6 makes %v of %v", got, m)
			}
		}
	}
}

// Fields that we don't know are passed over, wherever they are and of whatever kind.
func TestUnknownFieldsAreNoMatter(t *testing.T) {
	members := members(t)
	d := draw{rand.New(rand.NewPCG(7, 8))}
	for range 5000 {
		m := d.message(1)
		said, reason := meaning(m)
		if reason != nil {
			continue
		}
		plain := marshal(t, m)
		add := func(m proto.Message) {
			m.ProtoReflect().SetUnknown(d.unknown())
		}
		add(m)
		for _, e := range m.Entries {
			add(e)
		}
		for _, response := range m.Responses {
			add(response)
		}
		if m.Snapshot != nil {
			add(m.Snapshot)
			if m.Snapshot.Metadata != nil {
				add(m.Snapshot.Metadata)
			}
		}
		encoded := marshal(t, m)
		ours, err := recode(members[implRust], member.KindMessage, encoded)
		must(t, err)
		same, err := recode(members[implRust], member.KindMessage, plain)
		must(t, err)
		if string(ours) != string(same) || !proto.Equal(meaningOf(t, ours), said) {
			t.Fatalf("%v: %x instead of %x", m, ours, same)
		}
	}
}

// unknown is some fields that nobody has.
func (d draw) unknown() (b []byte) {
	for range 1 + d.IntN(3) {
		number := protowire.Number(200 + d.IntN(1000))
		switch d.IntN(5) {
		case 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), d.Uint64())
		case 1:
			b = protowire.AppendFixed32(protowire.AppendTag(b, number, protowire.Fixed32Type), d.Uint32())
		case 2:
			b = protowire.AppendFixed64(protowire.AppendTag(b, number, protowire.Fixed64Type), d.Uint64())
		case 3:
			b = protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), d.data())
		case 4:
			b = protowire.AppendGroup(protowire.AppendTag(b, number, protowire.StartGroupType), number,
				protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7))
		}
	}
	return b
}

// What is damaged is refused or means something, and never ends the process.
func TestDamagedBytesAreAnErrorAtWorst(t *testing.T) {
	members := members(t)
	d := draw{rand.New(rand.NewPCG(9, 10))}
	refused := 0
	for range 20000 {
		encoded := marshal(t, d.message(2))
		for range 1 + d.IntN(3) {
			encoded[d.IntN(len(encoded))] = byte(d.Uint32())
		}
		if d.one(4) {
			encoded = encoded[:d.IntN(len(encoded))]
		}
		ours, err := recode(members[implRust], member.KindMessage, encoded)
		if err != nil {
			if strings.Contains(err.Error(), "EOF") {
				t.Fatalf("%x ends the process", encoded)
			}
			refused++
			continue
		}
		if again, err := recode(members[implRust], member.KindMessage, ours); err != nil || string(again) != string(ours) {
			t.Fatalf("%x became %x and then %x, %v", encoded, ours, again, err)
		}
	}
	if refused == 0 || refused == 20000 {
		t.Errorf("%d were refused", refused)
	}
}
