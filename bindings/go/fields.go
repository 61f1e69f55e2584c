// Going through an encoded protobuf message, field by field. What the fields mean is in wire.go.

package raft

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// readField reads the field that encoded begins with: its key, and its number or, if it has a length, where
// its bytes begin. It ends at end, which is 0 if it can't be read; fieldError says why. For what is read
// most, all of this is in registers: 4 ns for each field less than with a fields.
func readField(encoded []byte) (key, number uint64, begin, end int) {
	// Nearly all keys take one byte, and most numbers and lengths.
	if len(encoded) > 1 && encoded[0] >= 1<<3 && encoded[0]&0x85 == 0 {
		key, number, begin = uint64(encoded[0]), uint64(encoded[1]), 2
		if number >= 0x80 {
			n := 0
			if number, n = protowire.ConsumeVarint(encoded[1:]); n < 0 {
				return 0, 0, 0, 0
			}
			begin = 1 + n
		}
	} else if key, number, begin = readOddField(encoded); begin <= 0 {
		return 0, 0, 0, 0
	}
	if key&7 != keyOfBytes {
		return key, number, begin, begin
	}
	if number > uint64(len(encoded)-begin) {
		return 0, 0, 0, 0
	}
	return key, number, begin, begin + int(number)
}

// readOddField does the same for any other, up to where the bytes begin. What is of another kind has no
// number.
func readOddField(encoded []byte) (key, number uint64, n int) {
	id, kind, n := protowire.ConsumeTag(encoded)
	if n < 0 {
		return 0, 0, n
	}
	var m int
	if kind == protowire.VarintType || kind == protowire.BytesType {
		number, m = protowire.ConsumeVarint(encoded[n:])
	} else {
		m = protowire.ConsumeFieldValue(id, kind, encoded[n:])
	}
	if m < 0 {
		return 0, 0, m
	}
	return uint64(id)<<3 | uint64(kind), number, n + m
}

func fieldError(encoded []byte) error {
	id, _, n := protowire.ConsumeField(encoded)
	if id == 0 {
		return fmt.Errorf("a field that can't be read: %w", protowire.ParseError(n))
	}
	return fmt.Errorf("field %d: %w", id, protowire.ParseError(n))
}

// fields goes through an encoded message, field by field:
//
//	for f := fieldsOf(encoded); f.next(); {
//		switch f.id {
//
// Fields that nobody knows are passed over. What can't be read ends it with an err.
type fields struct {
	id protowire.Number
	// The value of a varint.
	number uint64
	// The value of a field with a length: a part of the encoded message.
	bytes []byte
	err   error

	rest []byte
}

func fieldsOf(encoded []byte) fields {
	return fields{rest: encoded}
}

// next goes on to the next field, if there is one.
func (f *fields) next() bool {
	if len(f.rest) == 0 {
		return false
	}
	key, number, begin, end := readField(f.rest)
	if end == 0 {
		f.err = fieldError(f.rest)
		return false
	}
	f.id, f.number, f.bytes = protowire.Number(key>>3), number, nil
	if key&7 == keyOfBytes {
		f.number, f.bytes = 0, f.rest[begin:end]
	}
	f.rest = f.rest[end:]
	return true
}

// sizes says how often a field appears, and how many bytes these have in all.
func sizes(encoded []byte, wanted uint64) (count, bytes int) {
	for len(encoded) > 0 {
		key, _, begin, end := readField(encoded)
		if end == 0 {
			break
		}
		if key == wanted {
			count++
			bytes += end - begin
		}
		encoded = encoded[end:]
	}
	return count, bytes
}
