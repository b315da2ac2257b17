// Package clients drives a running server with the official Go SDK and its Leap client. go.test.mjs starts the server.
package clients

import (
	"context"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	hop "go.hop.io/sdk"
)

// patience is how long something may take; only a failing test waits this long.
const patience = 20 * time.Second

// project is the project that the server starts with.
var project = os.Getenv("WARREN_PROJECT")

// TestMain leads the Leap client, whose address cannot be set, to the server: it dials through gorilla's default
// dialer, so the secure connection that it asks for becomes a plain one to where the server listens.
func TestMain(m *testing.M) {
	address, err := url.Parse(os.Getenv("WARREN_URL"))
	if err != nil || address.Host == "" {
		panic("WARREN_URL must be the server's address; go.test.mjs sets it")
	}
	websocket.DefaultDialer.NetDialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address.Host)
	}
	os.Exit(m.Run())
}

// newClient is an SDK client with this token; the options stand at the client because ForChunk drops others.
func newClient(t *testing.T, token string) *hop.Client {
	t.Helper()
	client, err := hop.NewClient(token, hop.WithCustomAPIURL(os.Getenv("WARREN_URL")+"/v1"), hop.WithProjectID(project))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// owner is an SDK client with the project's token.
func owner(t *testing.T) *hop.Client {
	t.Helper()
	return newClient(t, os.Getenv("WARREN_PROJECT_TOKEN"))
}

// soon is a context that ends before a hanging test does.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test on an error and passes a value on.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// done fails the test on an error.
func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
