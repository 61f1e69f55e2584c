// Scripts: the settings of a cluster, and the inputs that it is given, one a line. Every line can
// be taken out and leaves a script that can be played: an input that makes no sense where it
// stands does nothing.

package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// script is a cluster and what happens to it.
type script struct {
	cluster clusterConfig
	inputs  []input
}

// input is one line: a verb and its numbers.
type input struct {
	verb verb
	args []uint64
}

type verb int

const (
	tick verb = iota
	quiesce
	propose
	campaign
	transfer
	forget
	read
	change
	several
	unreachable
	report
	local
	forge
	deliver
	duplicate
	drop
	cut
	heal
	take
	persist
	apply
	advance
	handle
	write
	acknowledge
	restart
	snapshot
	compact
	unavailable
	verbs
)

// The verbs and their arguments, as a script spells them. "N.." is a node or several numbers, and
// SIZE a number of bytes, nil or empty.
var spelling = [verbs]struct{ name, args string }{
	tick:        {"tick", "NODE TIMES"},
	quiesce:     {"quiesce", "NODE TIMES"},
	propose:     {"propose", "NODE SIZE.."},
	campaign:    {"campaign", "NODE"},
	transfer:    {"transfer", "NODE TO"},
	forget:      {"forget", "NODE"},
	read:        {"read", "NODE SIZE"},
	change:      {"change", "NODE CHANGE"},
	several:     {"several", "NODE TIMES CHANGE"},
	unreachable: {"unreachable", "NODE PEER"},
	report:      {"report", "NODE PEER STATUS"},
	local:       {"local", "NODE TYPE"},
	forge:       {"forge", "NODE KIND"},
	deliver:     {"deliver", "FROM TO PLACE"},
	duplicate:   {"duplicate", "FROM TO PLACE"},
	drop:        {"drop", "FROM TO PLACE"},
	cut:         {"cut", "NODE NODE"},
	heal:        {"heal", ""},
	take:        {"ready", "NODE"},
	persist:     {"persist", "NODE"},
	apply:       {"apply", "NODE"},
	advance:     {"advance", "NODE"},
	handle:      {"handle", "NODE"},
	write:       {"write", "NODE"},
	acknowledge: {"acknowledge", "NODE THREAD"},
	restart:     {"restart", "NODE APPLIED"},
	snapshot:    {"snapshot", "NODE BACK"},
	compact:     {"compact", "NODE BACK"},
	unavailable: {"unavailable", "NODE YES"},
}

// Sizes that are none.
const (
	sizeNil   = ^uint64(0)
	sizeEmpty = 0
)

func (in input) arg(i int) uint64 {
	if i < len(in.args) {
		return in.args[i]
	}
	return 0
}

func (in input) String() string {
	words := []string{spelling[in.verb].name}
	switch in.verb {
	case change:
		return fmt.Sprintf("change %d %s", in.arg(0), spellChange(in.args[1:]))
	case several:
		return fmt.Sprintf("several %d %d %s", in.arg(0), in.arg(1), spellChange(in.args[2:]))
	}
	for i, arg := range in.args {
		word := strconv.FormatUint(arg, 10)
		if i > 0 && (in.verb == propose || in.verb == read) {
			switch arg {
			case sizeNil:
				word = "nil"
			case sizeEmpty:
				word = "empty"
			}
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func parseInput(line string) (input, error) {
	words := strings.Fields(line)
	for v, spelled := range spelling {
		if spelled.name != words[0] {
			continue
		}
		in := input{verb: verb(v)}
		numbers := words[1:]
		// How many words come before the change.
		before := map[verb]int{change: 2, several: 3}[in.verb]
		if before > 0 {
			numbers = words[1:min(before, len(words))]
		}
		for _, word := range numbers {
			switch word {
			case "nil":
				in.args = append(in.args, sizeNil)
				continue
			case "empty":
				in.args = append(in.args, sizeEmpty)
				continue
			}
			number, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				return in, fmt.Errorf("%q: %w", line, err)
			}
			in.args = append(in.args, number)
		}
		if least := len(strings.Fields(spelled.args)); len(words)-1 < least {
			return in, fmt.Errorf("%q: expected %s %s", line, spelled.name, spelled.args)
		}
		if before > 0 {
			args, err := parseChange(words[before:])
			if err != nil {
				return in, fmt.Errorf("%q: %w", line, err)
			}
			in.args = append(in.args, args...)
		}
		return in, nil
	}
	return input{}, fmt.Errorf("%q: no such input", line)
}

// A change of the configuration is, in numbers: 1 or 2 for V1 or V2, the transition, and a type
// and a node for each step. In words: "v2 explicit +4 -1 l3 u2", for added, removed, learner and
// updated. A lone 0, "nil", is no change at all, which is proposed by ProposeConfChange(nil).

const stepSigns = "+-ul"

var transitions = []string{"auto", "implicit", "explicit"}

func spellChange(args []uint64) string {
	if args[0] == 0 {
		return "nil"
	}
	words := []string{"v1"}
	if args[0] == 2 {
		words = []string{"v2", transitions[args[1]]}
	}
	for i := 2; i+1 < len(args); i += 2 {
		words = append(words, fmt.Sprintf("%c%d", stepSigns[args[i]], args[i+1]))
	}
	return strings.Join(words, " ")
}

func parseChange(words []string) ([]uint64, error) {
	wrong := fmt.Errorf("expected v1 STEP, or v2 auto|implicit|explicit and one STEP or more")
	if len(words) == 0 {
		return nil, wrong
	}
	if len(words) == 1 && words[0] == "nil" {
		return []uint64{0}, nil
	}
	args := []uint64{1, 0}
	steps := words[1:]
	if words[0] == "v2" && len(words) > 1 {
		args = []uint64{2, 3}
		for i, name := range transitions {
			if words[1] == name {
				args[1] = uint64(i)
			}
		}
		steps = words[2:]
	}
	if args[1] == 3 || (words[0] != "v2" && (words[0] != "v1" || len(steps) != 1)) {
		return nil, wrong
	}
	for _, step := range steps {
		sign := strings.IndexByte(stepSigns, step[0])
		id, err := strconv.ParseUint(step[1:], 10, 64)
		if sign < 0 || err != nil {
			return nil, wrong
		}
		args = append(args, uint64(sign), id)
	}
	return args, nil
}

// confChange makes what both libraries are to propose.
func confChange(args []uint64, number uint64) pb.ConfChangeI {
	if args[0] == 0 {
		return nil
	}
	// The numbers of the types are those of raftpb: added, removed, updated, learner.
	if args[0] == 1 {
		return &pb.ConfChange{
			Id:     new(number),
			Type:   pb.ConfChangeType(args[2]).Enum(),
			NodeId: new(args[3]),
		}
	}
	cc := &pb.ConfChangeV2{}
	if args[1] != 0 {
		cc.Transition = pb.ConfChangeTransition(args[1]).Enum()
	}
	for i := 2; i+1 < len(args); i += 2 {
		cc.Changes = append(cc.Changes, &pb.ConfChangeSingle{
			Type: pb.ConfChangeType(args[i]).Enum(), NodeId: new(args[i+1]),
		})
	}
	if number%3 == 0 {
		cc.Context = fmt.Appendf(nil, "change %d", number)
	}
	return cc
}

// decodeChange reads the change in a committed entry, as every host does.
func decodeChange(entry *pb.Entry) (pb.ConfChangeI, error) {
	if entry.GetType() == pb.EntryConfChange {
		cc := &pb.ConfChange{}
		return cc, proto.Unmarshal(entry.GetData(), cc)
	}
	cc := &pb.ConfChangeV2{}
	return cc, proto.Unmarshal(entry.GetData(), cc)
}

// print writes a script that can be parsed again.
func (s *script) print(w io.Writer) {
	for _, line := range s.cluster.lines() {
		fmt.Fprintln(w, line)
	}
	for _, in := range s.inputs {
		fmt.Fprintln(w, in)
	}
}

// parseScript reads one. Empty lines and those that begin with # count for nothing.
func parseScript(r io.Reader) (*script, error) {
	s := &script{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		settings, err := s.cluster.parse(line)
		if err == nil && !settings {
			var in input
			in, err = parseInput(line)
			s.inputs = append(s.inputs, in)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return s, s.cluster.check()
}
