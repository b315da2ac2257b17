package clients

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.hop.io/sdk/leap"
	"go.hop.io/sdk/types"
)

// next is the first event that matches; the others are passed over.
func next[T any](t *testing.T, events <-chan T, what string, matches func(T) bool) T {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case event, isOpen := <-events:
			if !isOpen {
				t.Fatalf("the client closed its queue before %s", what)
			}
			if matches(event) {
				return event
			}
		case <-timeout:
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// connect is a connected client for a token. It ends with the process: its Close panics while an event still waits for
// its reader.
func connect(t *testing.T, token string) *leap.Client {
	t.Helper()
	client := leap.NewClient(project, token, nil)
	done(t, client.Connect())
	for deadline := time.Now().Add(patience); client.InitEvent() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no INIT; the state is %+v", client.State())
		}
	}
	return client
}

func TestMessagesDirectMessagesAndStateArrive(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	must(channels.Create(ctx, types.ChannelTypePublic, map[string]any{"a": 1.0}, "go-live"))(t)
	defer func() { done(t, channels.Delete(ctx, "go-live")) }()
	token := must(channels.Tokens.Create(ctx, map[string]any{"name": "ann"}))(t)
	client := connect(t, token.ID)
	messages, changes := client.MessageEventChannel(), client.ChannelEventChannel()
	init := client.InitEvent()
	if init.ConnectionID == "" || init.Scope != types.ScopeToken || init.Metadata["name"] != "ann" {
		t.Fatalf("%+v", init)
	}
	if state := client.State().ConnectionState; state != types.LeapConnectionStateConnected {
		t.Fatalf("the state is %s", state)
	}
	channel := must(client.Subscribe("go-live"))(t)
	if channel.ID != "go-live" || channel.State["a"] != 1.0 {
		t.Fatalf("%+v", channel)
	}

	data := map[string]any{"text": "hi", "list": []any{1.0, nil}}
	done(t, channels.PublishMessage(ctx, "go-live", "EVENT", data))
	message := next(t, messages, "the message", func(m types.LeapMessageEvent) bool { return m.EventName == "EVENT" })
	if message.ChannelID != "go-live" || message.IsDirectMessage() || !reflect.DeepEqual(message.Data, data) {
		t.Fatalf("%+v", message)
	}
	done(t, channels.Tokens.PublishDirectMessage(ctx, token.ID, "DIRECT", map[string]any{"n": 1.0}))
	message = next(t, messages, "the direct message", func(m types.LeapMessageEvent) bool { return m.EventName == "DIRECT" })
	if !message.IsDirectMessage() || message.Data["n"] != 1.0 {
		t.Fatalf("%+v", message)
	}
	done(t, channels.PatchState(ctx, "go-live", map[string]any{"b": 2.0}))
	change := next(t, changes, "the state", func(event types.LeapChannelEvent) bool {
		_, isState := event.(types.LeapChannelStateUpdateEvent)
		return isState
	}).(types.LeapChannelStateUpdateEvent)
	if !reflect.DeepEqual(change.State, map[string]any{"a": 1.0, "b": 2.0}) {
		t.Fatalf("the state is %v", change.State)
	}
	if online := must(channels.Tokens.IsOnline(ctx, token.ID))(t); !online {
		t.Fatal("the token should be online")
	}
}

// The client begins to wait for an answer only after it has sent the question, so one that comes too fast is lost and
// Subscribe hangs for good.
func TestTwoHundredSubscribesInARowAllReturn(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	const count = 200
	for n := 0; n < count; n++ {
		must(channels.Create(ctx, types.ChannelTypePublic, nil, fmt.Sprintf("go-row-%d", n)))(t)
	}
	token := must(channels.Tokens.Create(ctx, nil))(t)
	client := connect(t, token.ID)
	for n := 0; n < count; n++ {
		id := fmt.Sprintf("go-row-%d", n)
		answer := make(chan error, 1)
		go func() {
			_, err := client.Subscribe(id)
			answer <- err
		}()
		select {
		case err := <-answer:
			done(t, err)
		case <-time.After(patience):
			t.Fatalf("Subscribe(%s) hangs", id)
		}
	}
	for n := 0; n < count; n++ {
		done(t, channels.Delete(ctx, fmt.Sprintf("go-row-%d", n)))
	}
}

func TestRefusedSubscribesSayWhy(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	must(channels.Create(ctx, types.ChannelTypePrivate, nil, "go-secret"))(t)
	defer func() { done(t, channels.Delete(ctx, "go-secret")) }()
	token := must(channels.Tokens.Create(ctx, nil))(t)
	client := connect(t, token.ID)
	for id, code := range map[string]string{"go-secret": "NOT_GRANTED", "go-nowhere": "UNKNOWN"} {
		_, err := client.Subscribe(id)
		var refused types.LeapUnavailableEvent
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %#v", id, err)
		}
		if refused.ErrorCode != code || refused.Graceful {
			t.Errorf("%s: %+v", id, refused)
		}
	}
	done(t, channels.SubscribeToken(ctx, "go-secret", token.ID))
	must(client.Subscribe("go-secret"))(t)
}

func TestADeletedTokenEndsTheClientForGood(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	token := must(channels.Tokens.Create(ctx, nil))(t)
	client := connect(t, token.ID)
	states := make(chan types.LeapStateInfo, 100)
	client.AddStateUpdateListener(func(state types.LeapStateInfo) { states <- state })
	done(t, channels.Tokens.Delete(ctx, token.ID))
	ended := next(t, states, "the end", func(state types.LeapStateInfo) bool {
		return state.ConnectionState == types.LeapConnectionStateErrored
	})
	var refused types.LeapAuthorizationError
	if ended.WillReconnect || !errors.As(ended.Err, &refused) {
		t.Fatalf("%+v", ended)
	}
}
