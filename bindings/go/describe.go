// Texts for people: what a Ready, a message or an entry says, as go.etcd.io/raft writes it, so that
// logs and recorded outputs of programs stay as they were. describe_test.go compares the two.

package raft

import (
	"fmt"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// EntryFormatter makes a readable text of an entry's data. nil stands for one that quotes it.
type EntryFormatter func([]byte) string

// DescribeReady writes a Ready in several lines.
func DescribeReady(rd Ready, f EntryFormatter) string {
	t := text{format: f}
	if rd.SoftState != nil {
		t.add("%s\n", DescribeSoftState(*rd.SoftState))
	}
	if !IsEmptyHardState(rd.HardState) {
		t.add("HardState %s\n", DescribeHardState(rd.HardState))
	}
	if len(rd.ReadStates) > 0 {
		t.add("ReadStates %v\n", rd.ReadStates)
	}
	t.section("Entries", rd.Entries)
	if !IsEmptySnap(rd.Snapshot) {
		t.add("Snapshot %s\n", DescribeSnapshot(rd.Snapshot))
	}
	t.section("CommittedEntries", rd.CommittedEntries)
	if len(rd.Messages) > 0 {
		t.add("Messages:\n")
	}
	for _, m := range rd.Messages {
		t.message("", m)
		t.add("\n")
	}
	if t.Len() == 0 {
		return "<empty Ready>"
	}
	return fmt.Sprintf("Ready MustSync=%t:\n%s", rd.MustSync, t.String())
}

// DescribeHardState writes a hard state in one line; the vote only if there is one.
func DescribeHardState(hs *pb.HardState) string {
	vote := ""
	if hs.GetVote() != None {
		vote = fmt.Sprintf(" Vote:%d", hs.GetVote())
	}
	return fmt.Sprintf("Term:%d%s Commit:%d", hs.GetTerm(), vote, hs.GetCommit())
}

// DescribeSoftState writes a soft state in one line.
func DescribeSoftState(ss SoftState) string {
	return fmt.Sprintf("Lead:%d State:%s", ss.Lead, ss.RaftState)
}

// DescribeConfState writes a configuration in one line.
func DescribeConfState(state *pb.ConfState) string {
	return fmt.Sprintf("Voters:%v VotersOutgoing:%v Learners:%v LearnersNext:%v AutoLeave:%v",
		state.GetVoters(), state.GetVotersOutgoing(), state.GetLearners(), state.GetLearnersNext(),
		state.GetAutoLeave())
}

// DescribeSnapshot writes what a snapshot is of, without its data.
func DescribeSnapshot(snap *pb.Snapshot) string {
	of := snap.GetMetadata()
	return fmt.Sprintf("Index:%d Term:%d ConfState:%s",
		of.GetIndex(), of.GetTerm(), DescribeConfState(of.GetConfState()))
}

// DescribeMessage writes a message, in several lines if it has several entries, a snapshot or
// responses.
func DescribeMessage(m *pb.Message, f EntryFormatter) string {
	t := text{format: f}
	t.message("", m)
	return t.String()
}

// DescribeEntries writes a line for each entry.
func DescribeEntries(ents []*pb.Entry, f EntryFormatter) string {
	t := text{format: f}
	for _, entry := range ents {
		t.entry(entry)
		t.add("\n")
	}
	return t.String()
}

// DescribeEntry writes an entry in one line. Of a configuration change, the changes.
func DescribeEntry(e *pb.Entry, f EntryFormatter) string {
	t := text{format: f}
	t.entry(e)
	return t.String()
}

// DescribeConfChange writes a configuration change in one line.
func DescribeConfChange(cc pb.ConfChangeI) string {
	change := cc.AsV2()
	t := text{}
	t.add("transition:%v", change.GetTransition())
	for _, single := range change.GetChanges() {
		t.add(" changes:{type:%v node_id:%d}", single.GetType(), single.GetNodeId())
	}
	if context := change.GetContext(); len(context) > 0 {
		t.add(" context:%q", context)
	}
	return t.String()
}

// text is what has been written so far.
type text struct {
	strings.Builder
	format EntryFormatter
}

func (t *text) add(format string, v ...any) {
	fmt.Fprintf(t, format, v...)
}

func (t *text) section(title string, entries []*pb.Entry) {
	if len(entries) > 0 {
		t.add("%s:\n%s", title, DescribeEntries(entries, t.format))
	}
}

func (t *text) entry(e *pb.Entry) {
	t.add("%d/%d %s", e.GetTerm(), e.GetIndex(), e.GetType())
	if content := t.content(e); content != "" {
		t.add(" %s", content)
	}
}

// content is the part of an entry's text that depends on its type.
func (t *text) content(e *pb.Entry) string {
	changes := func(cc interface {
		proto.Message
		pb.ConfChangeI
	}) string {
		if err := proto.Unmarshal(e.GetData(), cc); err != nil {
			return err.Error()
		}
		return pb.ConfChangesToString(cc.AsV2().GetChanges())
	}
	switch e.GetType() {
	case pb.EntryConfChange:
		return changes(&pb.ConfChange{})
	case pb.EntryConfChangeV2:
		return changes(&pb.ConfChangeV2{})
	case pb.EntryNormal:
		if t.format != nil {
			return t.format(e.GetData())
		}
		return fmt.Sprintf("%q", e.GetData())
	}
	return ""
}

// message writes a message. indent stands before each of its lines.
func (t *text) message(indent string, m *pb.Message) {
	t.add("%s%s->%s %v Term:%d Log:%d/%d", indent, nameOf(m.GetFrom()), nameOf(m.GetTo()),
		m.GetType(), m.GetTerm(), m.GetLogTerm(), m.GetIndex())
	if m.GetReject() {
		t.add(" Rejected (Hint: %d)", m.GetRejectHint())
	}
	if m.GetCommit() != 0 {
		t.add(" Commit:%d", m.GetCommit())
	}
	if m.GetVote() != None {
		t.add(" Vote:%d", m.GetVote())
	}
	switch entries := m.GetEntries(); len(entries) {
	case 0:
	case 1:
		t.add(" Entries:[")
		t.entry(entries[0])
		t.add("]")
	default:
		t.add(" Entries:[")
		for _, entry := range entries {
			t.add("\n%s  ", indent)
			t.entry(entry)
		}
		t.add("\n%s]", indent)
	}
	if !IsEmptySnap(m.GetSnapshot()) {
		t.add("\n%s  Snapshot: %s", indent, DescribeSnapshot(m.GetSnapshot()))
	}
	if responses := m.GetResponses(); len(responses) > 0 {
		t.add(" Responses:[")
		for _, response := range responses {
			t.add("\n")
			t.message(indent+"  ", response)
		}
		t.add("\n%s]", indent)
	}
}

// nameOf is how a message names its sender or recipient.
func nameOf(id uint64) string {
	switch id {
	case None:
		return "None"
	case LocalAppendThread:
		return "AppendThread"
	case LocalApplyThread:
		return "ApplyThread"
	}
	return fmt.Sprintf("%x", id)
}
