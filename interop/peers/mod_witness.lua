-- For Prosody: one log line per message and hop, so that a check knows what the chat server took and passed on,
-- whatever stox says of it. Loaded on the host and on the component.

local function line(stanza)
	local text = stanza:top_tag();
	local kind, condition, reason = stanza:get_error();
	if kind then text = text .. " " .. condition .. (reason and (": " .. reason) or "") end
	return text;
end

local function on(events, note)
	for _, event in ipairs(events) do
		module:hook(event, function (fired)
			local hop = note(fired.origin);
			if hop then module:log("info", "%s %s", hop, line(fired.stanza)) end
		end, 1000);
	end
end

if module:get_host_type() == "component" then
	-- What Prosody itself answers to stox is not routed, so it is seen where it is written.
	module:hook("component-authenticated", function (fired)
		local session = fired.session;
		local send = session.send;
		function session.send(data)
			if type(data) == "table" and data.name == "message" then module:log("info", "prosody>stox %s", line(data)) end
			return send(data);
		end
	end);
	on({ "message/bare", "message/full", "message/host" }, function ()
		return prosody.hosts[module.host].modules.component.connected and "prosody>stox" or "prosody>nobody";
	end);
else
	on({ "pre-message/bare", "pre-message/full", "pre-message/host" }, function () return "client>prosody" end);
	on({ "message/bare", "message/full" }, function (origin)
		return origin.type == "component" and "stox>prosody" or nil;
	end);
end
