module warren.test/clients

go 1.18

require (
	github.com/gorilla/websocket v1.5.0
	go.hop.io/sdk v1.12.1
)

require (
	github.com/hako/durafmt v0.0.0-20210608085754-5c1018a4e16b // indirect
	github.com/relvacode/iso8601 v1.1.0 // indirect
	github.com/xeipuuv/gojsonpointer v0.0.0-20180127040702-4e3ac2762d5f // indirect
	github.com/xeipuuv/gojsonreference v0.0.0-20180127040603-bd5ef7bd5415 // indirect
	github.com/xeipuuv/gojsonschema v1.2.0 // indirect
	golang.org/x/sync v0.0.0-20210220032951-036812b2e83c // indirect
	moul.io/http2curl v1.0.0 // indirect
)
