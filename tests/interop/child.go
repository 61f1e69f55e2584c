// A member in a process of its own.

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"

	"libraft.dev/tests/interop/member"
)

type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	writer  *bufio.Writer
	reader  *bufio.Reader
}

func startChild(program string) (*child, error) {
	c := &child{command: exec.Command(program)}
	c.command.Stderr = os.Stderr
	var err error
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.writer, c.reader = bufio.NewWriter(c.in), bufio.NewReader(out)
	return c, c.command.Start()
}

// Call fails if the process has ended, which it says on standard error.
func (c *child) Call(r *member.Request) *member.Response {
	response, err := c.call(r)
	if err != nil {
		return &member.Response{Code: member.Failed, Text: fmt.Sprintf("%s: %v", c.command.Path, err)}
	}
	return response
}

func (c *child) call(r *member.Request) (*member.Response, error) {
	if err := member.WriteFrame(c.writer, r.Encode()); err != nil {
		return nil, err
	}
	if err := c.writer.Flush(); err != nil {
		return nil, err
	}
	frame, err := member.ReadFrame(c.reader)
	if err != nil {
		return nil, err
	}
	return member.DecodeResponse(frame)
}

func (c *child) close() {
	_ = c.in.Close()
	_ = c.command.Wait()
}
