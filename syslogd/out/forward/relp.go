package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"rondo/syslogd/relp"
)

const (
	relpSoftware = "rondo"
	relpOK       = "200"
	maxTxnr      = 999_999_999
	maxReply     = 4 << 10
)

// A dialog is a RELP session from the client's side; see package relp. The
// server answers each message by its number once it has it.
type dialog struct {
	conn    net.Conn
	enc     encoder
	window  int
	message []byte // a message that is being written
	buf     []byte // frames that are held back

	mu      sync.Mutex
	txnr    int    // of the frame that was made last
	waiting []int  // numbers of frames without an answer, oldest first; 0: answered, but one before is not
	acked   uint64 // messages
	err     error  // why it is over

	moved chan struct{} // something was answered
	over  chan struct{} // closed when nothing more will be
}

var errNoRELP = errors.New("this is no RELP")

// openRELP begins a session over conn, which it closes if that fails.
func openRELP(ctx context.Context, conn net.Conn, enc encoder, window int) (*dialog, error) {
	d := &dialog{
		conn: conn, enc: enc, window: window, txnr: 1,
		moved: make(chan struct{}, 1), over: make(chan struct{}),
	}
	reader := relp.NewReader(conn, maxReply)
	rest, err := d.open(ctx, reader)
	if err != nil {
		conn.Close()
		return nil, err
	}
	go d.listen(reader, rest) // ends with the connection, for which close waits
	return d, nil
}

// open exchanges offers.
func (d *dialog) open(ctx context.Context, reader *relp.Reader) (rest []relp.Frame, err error) {
	stop := context.AfterFunc(ctx, func() { _ = d.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	offers := relp.Offers{Version: relp.Version, Software: relpSoftware, Commands: []string{relp.Syslog}}
	if _, err := d.conn.Write(relp.AppendFrame(nil, d.txnr, relp.Open, offers.String())); err != nil {
		return nil, err
	}
	frames, err := reader.Append(nil)
	if len(frames) == 0 {
		return nil, errors.Join(errNoRELP, err)
	}
	status, offered, _ := strings.Cut(frames[0].Data, "\n")
	switch {
	case frames[0].Command != relp.Response || frames[0].Txnr != d.txnr:
		return nil, errNoRELP
	case !accepted(status):
		return nil, fmt.Errorf("the server refuses the session: %.200q", status)
	case !relp.ParseOffers(offered).Has(relp.Syslog):
		return nil, errors.New("the server does not offer to take syslog")
	}
	return frames[1:], nil
}

// accepted reports whether an answer begins with the code for that.
func accepted(answer string) bool {
	code, _, _ := strings.Cut(answer, " ")
	return strings.TrimRight(code, "\r\n") == relpOK
}

// listen takes answers until the session is over.
func (d *dialog) listen(reader *relp.Reader, frames []relp.Frame) {
	defer close(d.over)
	for {
		for _, f := range frames {
			if err := d.answer(f); err != nil {
				d.fail(err)
				return
			}
		}
		select {
		case d.moved <- struct{}{}:
		default:
		}
		var err error
		frames, err = reader.Append(frames[:0])
		if err != nil && len(frames) == 0 {
			d.fail(err)
			return
		}
	}
}

func (d *dialog) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// answer notes what the server has. Anything but a 200 ends the session: the
// message is sent again in another one, as librelp does it.
func (d *dialog) answer(f relp.Frame) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case f.Command == relp.ServerClose:
		return errors.New("the server has closed the session")
	case f.Command != relp.Response:
		return errNoRELP
	}
	// Servers answer in order, so that the first is nearly always the one.
	i := 0
	for i < len(d.waiting) && d.waiting[i] != f.Txnr {
		i++
	}
	switch {
	case i == len(d.waiting):
		return nil // the answer to close, or to nothing
	case !accepted(f.Data):
		return fmt.Errorf("the server does not take a message: %.200q", f.Data)
	}
	d.waiting[i] = 0
	n := 0
	for n < len(d.waiting) && d.waiting[n] == 0 {
		n++
	}
	d.waiting = d.waiting[n:]
	d.acked += uint64(n)
	return d.expect()
}

// expect has reading end when an answer is due for too long.
func (d *dialog) expect() error {
	if len(d.waiting) == 0 {
		return d.conn.SetReadDeadline(time.Time{})
	}
	return d.conn.SetReadDeadline(time.Now().Add(replyTimeout))
}

func (d *dialog) broken() <-chan struct{} { return d.over }

func (d *dialog) settled() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked
}

func (d *dialog) send(ctx context.Context, m keyed) error {
	if err := d.makeRoom(ctx, d.window); err != nil {
		return err
	}
	d.message = d.enc.append(d.message[:0], m)
	d.buf = relp.AppendFrame(d.buf, d.number(), relp.Syslog, d.message)
	if len(d.buf) < chunkBytes {
		return nil
	}
	return d.flush(ctx)
}

// number gives the next frame its number, and waits for its answer from now.
func (d *dialog) number() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.txnr = d.txnr%maxTxnr + 1
	d.waiting = append(d.waiting, d.txnr)
	return d.txnr
}

// makeRoom waits until fewer than n messages wait for an answer.
func (d *dialog) makeRoom(ctx context.Context, n int) error {
	for d.unanswered() >= n {
		if err := d.flush(ctx); err != nil {
			return err
		}
		select {
		case <-d.moved:
		case <-d.over:
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *dialog) unanswered() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

func (d *dialog) flush(ctx context.Context) error {
	if len(d.buf) == 0 {
		return nil
	}
	stop, err := until(ctx, d.conn)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := d.conn.Write(d.buf); err != nil {
		return err
	}
	d.buf = d.buf[:0]
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expect()
}

// close waits for all answers and takes leave.
func (d *dialog) close(ctx context.Context) error {
	err := d.leave(ctx)
	closeErr := d.conn.Close()
	<-d.over
	if errors.Is(closeErr, net.ErrClosed) {
		closeErr = nil
	}
	return errors.Join(err, closeErr)
}

func (d *dialog) leave(ctx context.Context) error {
	select {
	case <-d.over:
		return nil
	default:
	}
	if err := d.makeRoom(ctx, 1); err != nil {
		return err
	}
	d.buf = relp.AppendFrame(d.buf, d.txnr%maxTxnr+1, relp.Close, "")
	if err := d.flush(ctx); err != nil {
		return err
	}
	if err := wait(ctx, d.over, leaveTimeout); !errors.Is(err, errGone) {
		return err
	}
	return nil
}
