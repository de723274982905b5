-- For Prosody: one log line for each proof that a server-to-server stream was given or gave, and one for each message
-- that it carried, so that a check knows what went by which stream, whatever stox says of it.

module:set_global();

local add_filter = require "util.filters".add_filter;
local add_filter_hook = require "util.filters".add_filter_hook;

local function tls(session)
	local socket = session.conn and session.conn:socket();
	local info = socket and socket.info and socket:info();
	return type(info) == "table" and info.protocol or "plain";
end

add_filter_hook(function (session)
	if not session.type:match("^s2s") then return end
	local function saw(way, tag)
		module:log("info", "stream %s %s %s %s", session.id, session.direction, way, tag);
	end
	add_filter(session, "stanzas/in", function (stanza)
		if stanza.name == "message" then saw("received", stanza:top_tag()) end
		return stanza;
	end, 1000);
	-- What waited for the stream is written as text.
	add_filter(session, "bytes/out", function (data)
		local tag = data:match("^<message[^>]*>");
		if tag then saw("sent", tag) end
		return data;
	end, 1000);
end);

function module.add_host(module)
	module:hook("s2s-authenticated", function (event)
		local session = event.session;
		local bidi = session.incoming and session.outgoing and "bidi" or "oneway";
		module:log("info", "stream %s %s proven %s for %s->%s by %s over %s %s", session.id, session.direction, event.host,
			session.from_host, session.to_host, event.mechanism, tls(session), bidi);
	end, 1000);
end
