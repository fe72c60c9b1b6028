// Package slack sends notices to a channel of Slack, or of what takes the same
// messages (Mattermost, Rocket.Chat).
//
//	receivers:
//	  - name: chat
//	    slack: {url: "${SLACK_WEBHOOK}"}                     # an incoming webhook, or
//	  - name: bot
//	    slack: {token: "${SLACK_TOKEN}", channel: "#ops"}    # a bot with chat:write
//
// A message has the title as its text, which is what a telephone shows, and one
// attachment with the colour and the words. What labels and annotations say is
// escaped: no value can mention a channel or hide a link. What a template itself
// writes is Slack's mrkdwn.
//
// Slack takes about one message a second for each webhook or channel and answers
// 429 with Retry-After beyond that; the outbox then waits so long. With a token
// the key of the notice goes along as the message's metadata.
package slack
