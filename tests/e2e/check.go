// The judgement of a history. Linearizability is porcupine's to decide, key by key, with a register
// that can be absent as the model. Beside it stands a second check that shares no code with it: what
// is there at the end must come from a write after which no acknowledged one began.
//
// An operation of unknown outcome ends at infinity: it may take effect at any time, or (which is the
// same) after everything else. A read without an answer says nothing and is left out.

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// register is the state of one key.
type register struct {
	found bool
	value string
}

var model = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		in := input.(Op)
		switch in.Kind {
		case Put:
			return true, register{true, in.Value}
		case Delete:
			return true, register{}
		default:
			return state.(register) == output.(register), state
		}
	},
	DescribeOperation: func(input, output any) string {
		in := input.(Op)
		at := fmt.Sprintf("at machine %d", in.Machine)
		if in.Outcome == Unknown {
			at += ", outcome unknown"
		}
		switch in.Kind {
		case Put:
			return fmt.Sprintf("put %s %s", short(in.Value), at)
		case Delete:
			return "delete " + at
		default:
			return fmt.Sprintf("get -> %s %s", output.(register), at)
		}
	},
	DescribeState: func(state any) string { return state.(register).String() },
}

func (r register) String() string {
	if r.found {
		return short(r.value)
	}
	return "nothing"
}

// short is what is shown of a value. Those that are long are so for their length alone.
func short(value string) string {
	const most = 24
	if len(value) > most {
		return fmt.Sprintf("%s.. (%d bytes)", value[:most], len(value))
	}
	return value
}

// Violation is a key whose history no order of its operations explains.
type Violation struct {
	Key  string
	Ops  []Op // of that key
	info porcupine.LinearizationInfo
}

// Draw writes the violation as a page that opens in a browser, with notes beside the operations.
func (v *Violation) Draw(path string, notes []porcupine.Annotation) error {
	v.info.AddAnnotations(notes)
	return porcupine.VisualizePath(model, v.info, path)
}

// Judgement is what became of checking a history.
type Judgement struct {
	Keys, Operations int
	Violations       []Violation
	Undecided        []string // keys for which the time did not suffice
}

// linearizable checks each key of a history by itself, which is enough, since an operation
// concerns one key. Each may take as long as limit.
func linearizable(history []Op, limit time.Duration) Judgement {
	var judgement Judgement
	for _, part := range byKey(history) {
		operations := prepare(part)
		if len(operations) == 0 {
			continue
		}
		judgement.Keys++
		judgement.Operations += len(operations)
		switch porcupine.CheckOperationsTimeout(model, operations, limit) {
		case porcupine.Unknown:
			judgement.Undecided = append(judgement.Undecided, part[0].Key)
		case porcupine.Illegal:
			_, info := porcupine.CheckOperationsVerbose(model, operations, limit)
			judgement.Violations = append(judgement.Violations, Violation{part[0].Key, part, info})
		}
	}
	return judgement
}

// byKey splits a history, the keys in order.
func byKey(history []Op) [][]Op {
	parts := map[string][]Op{}
	for _, op := range history {
		parts[op.Key] = append(parts[op.Key], op)
	}
	var split [][]Op
	for _, key := range sortedKeys(parts) {
		split = append(split, parts[key])
	}
	return split
}

// prepare turns the operations of one key into porcupine's.
//
// A put of unknown outcome whose value nobody has read is left out. Values are unique, so that in
// any order that explains the rest, it can be put at the end; and from any order with it in, it can be
// taken, since no read needs it. That spares porcupine from trying it everywhere.
func prepare(part []Op) []porcupine.Operation {
	read := map[string]bool{}
	for _, op := range part {
		if op.Kind == Get && op.Outcome == Done && op.Found {
			read[op.Value] = true
		}
	}
	var operations []porcupine.Operation
	for _, op := range part {
		operation := porcupine.Operation{
			ClientId: op.Client, Input: op, Call: op.Call, Return: op.Return, Output: register{op.Found, op.Value},
		}
		switch {
		case op.Outcome == Failed || op.Outcome == Unknown && op.Kind == Get:
			continue
		case op.Outcome == Unknown && op.Kind == Put && !read[op.Value]:
			continue
		case op.Outcome == Unknown:
			operation.Return = math.MaxInt64
		}
		operations = append(operations, operation)
	}
	return operations
}

// lost compares what was found at the end with the writes before, and names each key whose
// final value can't be: an acknowledged write began after the one it comes from had returned.
// The final values were read after everything else.
func lost(history []Op, final map[string]register) []string {
	var problems []string
	for _, part := range byKey(history) {
		key := part[0].Key
		end, known := final[key]
		if !known {
			problems = append(problems, fmt.Sprintf("%s was not read at the end", key))
			continue
		}
		if problem := impossible(part, end); problem != "" {
			problems = append(problems, fmt.Sprintf("%s has %s at the end, but %s", key, end, problem))
		}
	}
	return problems
}

// impossible says why a key can't have a value at the end, or nothing.
func impossible(part []Op, end register) string {
	// The time from which on the value can have been there for good: when the last one of those
	// writes returned that could have given it. At first a key is absent.
	latest, written := int64(-1), !end.found
	for _, op := range part {
		gives := op.Kind == Delete && !end.found || op.Kind == Put && end.found && op.Value == end.value
		if !gives || op.Outcome == Failed {
			continue
		}
		written = true
		if op.Outcome == Unknown {
			return ""
		}
		latest = max(latest, op.Return)
	}
	if !written {
		return "nobody has written that"
	}
	for _, op := range part {
		other := op.Kind == Put && (!end.found || op.Value != end.value) || op.Kind == Delete && end.found
		if other && op.Outcome == Done && op.Call > latest {
			return fmt.Sprintf("%s %s was acknowledged after that", op.Kind, short(op.Value))
		}
	}
	return ""
}

// stateHash is the state hash of examples/kv/README.md, of the pairs that exist.
func stateHash(pairs map[string]register) string {
	total := uint64(0)
	for key, value := range pairs {
		if value.found {
			bytes := binary.AppendUvarint(nil, uint64(len(key)))
			sum := sha256.Sum256(append(append(bytes, key...), value.value...))
			total += binary.BigEndian.Uint64(sum[:8])
		}
	}
	return fmt.Sprintf("%016x", total)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
