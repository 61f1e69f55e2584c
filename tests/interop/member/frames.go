// Requests and responses as bytes: a length in four bytes, then the fields in the order of their
// declaration, numbers as varints, lists and byte strings behind their length. A byte string that
// is nil has the length 0, any other one its length plus 1.

package member

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Serve answers requests until there are no more.
func Serve(in io.Reader, out io.Writer, m Member) error {
	reader, writer := bufio.NewReader(in), bufio.NewWriter(out)
	for {
		frame, err := ReadFrame(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		request, err := DecodeRequest(frame)
		if err != nil {
			return err
		}
		if err := WriteFrame(writer, m.Call(request).Encode()); err != nil {
			return err
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
}

// ReadFrame reads the bytes of one request or response.
func ReadFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.LittleEndian.Uint32(length[:]))
	_, err := io.ReadFull(r, frame)
	return frame, err
}

// WriteFrame writes them.
func WriteFrame(w io.Writer, frame []byte) error {
	if _, err := w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(frame)))); err != nil {
		return err
	}
	_, err := w.Write(frame)
	return err
}

// Encode gives the request's bytes.
func (r *Request) Encode() []byte {
	e := encoder{}
	e.numbers(uint64(r.Op), r.Node, r.A, r.B)
	e.bytes(r.X)
	e.bytes(r.Y)
	e.bytes(r.Z)
	e.numberList(r.Numbers)
	e.list(r.List)
	return e.b
}

// DecodeRequest is the opposite.
func DecodeRequest(b []byte) (*Request, error) {
	d := decoder{b: b}
	r := &Request{Op: Op(d.number()), Node: d.number(), A: d.number(), B: d.number()}
	r.X, r.Y, r.Z = d.bytes(), d.bytes(), d.bytes()
	r.Numbers, r.List = d.numberList(), d.list()
	return r, d.end()
}

// Encode gives the response's bytes.
func (r *Response) Encode() []byte {
	e := encoder{}
	e.numbers(uint64(r.Code))
	e.bytes([]byte(r.Text))
	e.numbers(r.Role, r.Term, r.Vote, r.Lead, r.Commit, r.Applied, r.Transferee, bit(r.HasReady))
	e.bytes(r.HardState)
	e.bytes(r.Snapshot)
	e.list(r.Entries)
	e.list(r.Committed)
	e.list(r.Messages)
	e.numberList(r.ReadIndexes)
	e.list(r.ReadNames)
	e.numbers(bit(r.MustSync))
	e.list(r.DroppedProposals)
	e.bytes(r.Data)
	return e.b
}

// DecodeResponse is the opposite.
func DecodeResponse(b []byte) (*Response, error) {
	d := decoder{b: b}
	r := &Response{Code: Code(d.number()), Text: string(d.bytes())}
	for _, field := range []*uint64{
		&r.Role, &r.Term, &r.Vote, &r.Lead, &r.Commit, &r.Applied, &r.Transferee,
	} {
		*field = d.number()
	}
	r.HasReady = d.number() != 0
	r.HardState, r.Snapshot = d.bytes(), d.bytes()
	r.Entries, r.Committed, r.Messages = d.list(), d.list(), d.list()
	r.ReadIndexes, r.ReadNames = d.numberList(), d.list()
	r.MustSync = d.number() != 0
	r.DroppedProposals = d.list()
	r.Data = d.bytes()
	return r, d.end()
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

type encoder struct {
	b []byte
}

func (e *encoder) numbers(numbers ...uint64) {
	for _, number := range numbers {
		e.b = binary.AppendUvarint(e.b, number)
	}
}

func (e *encoder) bytes(b []byte) {
	if b == nil {
		e.numbers(0)
		return
	}
	e.numbers(uint64(len(b)) + 1)
	e.b = append(e.b, b...)
}

func (e *encoder) numberList(list []uint64) {
	e.numbers(uint64(len(list)))
	e.numbers(list...)
}

func (e *encoder) list(list [][]byte) {
	e.numbers(uint64(len(list)))
	for _, b := range list {
		e.bytes(b)
	}
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) number() uint64 {
	number, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return number
}

// count reads the length of a list, each of whose elements has at least one byte.
func (d *decoder) count() uint64 {
	count := d.number()
	if count > uint64(len(d.b)) {
		d.bad = true
		return 0
	}
	return count
}

func (d *decoder) bytes() []byte {
	length := d.number()
	if length == 0 {
		return nil
	}
	length--
	if length > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	b := d.b[:length:length]
	d.b = d.b[length:]
	return b
}

func (d *decoder) numberList() (list []uint64) {
	for range d.count() {
		list = append(list, d.number())
	}
	return list
}

func (d *decoder) list() (list [][]byte) {
	for range d.count() {
		list = append(list, d.bytes())
	}
	return list
}

func (d *decoder) end() error {
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("a frame that can't be read")
	}
	return nil
}
