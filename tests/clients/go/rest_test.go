package clients

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"

	"go.hop.io/sdk/types"
)

func TestChannelsAreMadeReadChangedAndDeleted(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	// The SDK escapes ids; a space and a sign that is special in URLs must come through.
	const id = "go room: é+&="
	made := must(channels.Create(ctx, types.ChannelTypePrivate, map[string]any{"a": 1.0}, id))(t)
	if made.ID != id || made.Type != types.ChannelTypePrivate || made.Project == nil || made.Project.ID != project {
		t.Fatalf("%+v", made)
	}
	done(t, channels.PatchState(ctx, id, map[string]any{"b": 2.0}))
	read := must(channels.Get(ctx, id))(t)
	if want := map[string]any{"a": 1.0, "b": 2.0}; !reflect.DeepEqual(read.State, want) {
		t.Fatalf("patched to %v", read.State)
	}
	done(t, channels.SetState(ctx, id, nil))
	if read = must(channels.Get(ctx, id))(t); len(read.State) != 0 {
		t.Fatalf("set to %v", read.State)
	}
	done(t, channels.PublishMessage(ctx, id, "EVENT", map[string]any{"text": "hi"}))
	if stats := must(channels.GetStats(ctx, id))(t); stats.OnlineCount != 0 {
		t.Fatalf("%+v", stats)
	}
	done(t, channels.Delete(ctx, id))
	generated := must(channels.Create(ctx, types.ChannelTypePublic, nil, ""))(t)
	done(t, channels.Delete(ctx, generated.ID))
}

func TestTokensAreMadeChangedSubscribedAndDeleted(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	must(channels.Create(ctx, types.ChannelTypePrivate, nil, "go-tokens"))(t)
	var ids []string
	for n := 0; n < 20; n++ {
		token := must(channels.Tokens.Create(ctx, map[string]any{"n": float64(n)}))(t)
		ids = append(ids, token.ID)
	}
	done(t, channels.SubscribeTokens(ctx, "go-tokens", ids))
	done(t, channels.Tokens.SetState(ctx, ids[0], map[string]any{"name": "ann"}))
	token := must(channels.Tokens.Get(ctx, ids[0]))(t)
	if token.State["name"] != "ann" || token.ProjectID != project || token.IsOnline {
		t.Fatalf("%+v", token)
	}
	done(t, channels.Tokens.PublishDirectMessage(ctx, ids[0], "EVENT", map[string]any{}))
	listed := map[string]bool{}
	for _, token := range must(channels.Tokens.GetAll(ctx))(t) {
		listed[token.ID] = true
	}
	for _, id := range ids {
		if !listed[id] {
			t.Fatalf("not every token is listed")
		}
		done(t, channels.Tokens.Delete(ctx, id))
	}
	done(t, channels.Delete(ctx, "go-tokens"))
}

func TestGetAllWalksEveryPageOnce(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	const count = 170 // More than two of the server's pages.
	for n := 0; n < count; n++ {
		must(channels.Create(ctx, types.ChannelTypePrivate, nil, fmt.Sprintf("go-page-%d", n)))(t)
	}
	seen, pages := map[string]int{}, 0
	done(t, channels.GetAll().ForChunk(ctx, func(page []*types.Channel) error {
		pages++
		for _, channel := range page {
			seen[channel.ID]++
		}
		return nil
	}))
	if pages < 3 {
		t.Fatalf("only %d pages", pages)
	}
	for n := 0; n < count; n++ {
		id := fmt.Sprintf("go-page-%d", n)
		if seen[id] != 1 {
			t.Fatalf("%s was seen %d times", id, seen[id])
		}
		done(t, channels.Delete(ctx, id))
	}
}

func TestErrorsBecomeTheSDKsTypes(t *testing.T) {
	ctx, channels := soon(t), owner(t).Channels
	var missing types.NotFound
	if _, err := channels.Get(ctx, "go-nowhere"); !errors.As(err, &missing) || missing.Code != "channel_not_found" {
		t.Errorf("a missing channel: %#v", err)
	}
	if err := channels.PublishMessage(ctx, "go-nowhere", "EVENT", nil); !errors.As(err, &missing) || missing.Code != "channel_not_found" {
		t.Errorf("a message to it: %#v", err)
	}
	if _, err := channels.Tokens.Get(ctx, "leap_token_nobody"); !errors.As(err, &missing) || missing.Code != "token_not_found" {
		t.Errorf("a missing token: %#v", err)
	}
	var bad types.BadRequest
	if _, err := channels.Create(ctx, "secret", nil, "go-bad"); !errors.As(err, &bad) || bad.Code != "invalid_body" {
		t.Errorf("an unknown type: %#v", err)
	}
	var unauthorized types.NotAuthorized
	if _, err := newClient(t, "ptk_nobody").Channels.Get(ctx, "go-nowhere"); !errors.As(err, &unauthorized) {
		t.Errorf("an unknown token: %#v", err)
	}
	must(channels.Create(ctx, types.ChannelTypePrivate, nil, "go-twice"))(t)
	var unknown types.UnknownServerError
	_, err := channels.Create(ctx, types.ChannelTypePrivate, nil, "go-twice")
	if !errors.As(err, &unknown) || unknown.StatusCode != 409 || unknown.Code != "channel_exists" {
		t.Errorf("a used id: %#v", err)
	}
	done(t, channels.Delete(ctx, "go-twice"))
}

func TestTheOperatorSeesHimselfAndHisTokens(t *testing.T) {
	ctx, admin := soon(t), newClient(t, os.Getenv("WARREN_ADMIN_TOKEN"))
	me := must(admin.Users.Me.Get(ctx))(t)
	if len(me.Projects) == 0 {
		t.Fatalf("%+v", me)
	}
	pat := must(admin.Users.Me.CreatePat(ctx, "from Go"))(t)
	must(newClient(t, pat.PAT).Channels.Tokens.GetAll(ctx))(t)
	found := false
	for _, listed := range must(admin.Users.Me.GetAllPats(ctx))(t) {
		found = found || listed.ID == pat.ID
	}
	if !found {
		t.Fatal("the new token is not listed")
	}
	done(t, admin.Users.Me.DeletePat(ctx, pat.ID))
}
