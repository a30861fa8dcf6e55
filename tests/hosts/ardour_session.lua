-- Make an Ardour session of one track with one plugin.
-- Usage: ardour7-lua ardour_session.lua FOLDER URI CHANNELS PRESET
local folder, uri, n_channels, preset = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])

local backend = AudioEngine:set_backend("None (Dummy)", "", "")
assert(not backend:isnil(), "no dummy backend")
backend:set_sample_rate(48000)
backend:set_buffer_size(1024)
AudioEngine:start(0)

local session = create_session(folder, "session", 48000)
assert(session, "no session")
local tracks = session:new_audio_track(n_channels, n_channels, nil, 1, "track",
  ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
for track in tracks:iter() do
  local plugin = ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType.LV2, "")
  assert(not plugin:isnil(), "no plugin " .. uri)
  track:add_processor_by_index(plugin, 0, nil, true)
  -- Controls count from 0; the sixth is the preset
  assert(ARDOUR.LuaAPI.set_processor_param(plugin, 5, preset), "no preset port")
end
session:save_state("")
close_session()
