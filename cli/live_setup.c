#include "live_setup.h"

#include "maudio.h"
#include "report.h"

#include <math.h>
#include <stddef.h>

/// Most output channels: what is more is left silent
#define MAX_OUTPUTS 2

PaStreamParameters live_setup_parameters(const live_setup* setup,
                                         device_side       side)
{
  const bool          is_input  = side == DEVICE_INPUT;
  const PaDeviceIndex device    = is_input ? setup->input : setup->output;
  const PaDeviceInfo* info      = Pa_GetDeviceInfo(device);
  const int           most      = info->maxOutputChannels;
  const int           n_outputs = most < MAX_OUTPUTS ? most : MAX_OUTPUTS;
  const double        lowest_s =
    is_input ? info->defaultLowInputLatency : info->defaultLowOutputLatency;

  const PaStreamParameters parameters = {
    .device           = device,
    .channelCount     = is_input ? (int)setup->n_channels : n_outputs,
    .sampleFormat     = paFloat32 | paNonInterleaved,
    .suggestedLatency = setup->buffer_s >= 0.0 ? setup->buffer_s : lowest_s};
  return parameters;
}

static bool choose_rates(live_setup* setup, double wanted_hz)
{
  const PaStreamParameters in   = live_setup_parameters(setup, DEVICE_INPUT);
  const PaStreamParameters out  = live_setup_parameters(setup, DEVICE_OUTPUT);
  const double             most = MAUDIO_MAX_RATE_HZ;
  const double             in_hz =
    fmin(Pa_GetDeviceInfo(setup->input)->defaultSampleRate, most);
  const double out_hz =
    fmin(Pa_GetDeviceInfo(setup->output)->defaultSampleRate, most);
  const double rates[] = {wanted_hz > 0.0 ? wanted_hz : 48000.0, in_hz, out_hz};
  const size_t n_rates = wanted_hz > 0.0 ? 1 : 3;

  for (size_t i = 0; i < n_rates; ++i) {
    const PaStreamParameters* const both = setup->two_clocks ? NULL : &out;
    if (Pa_IsFormatSupported(&in, both, rates[i]) == paFormatIsSupported) {
      setup->in_hz  = rates[i];
      setup->out_hz = rates[i];
      if (setup->two_clocks &&
          Pa_IsFormatSupported(NULL, &out, rates[i]) != paFormatIsSupported) {
        setup->out_hz = out_hz;
      }
      return true;
    }
  }
  return complain(device_name(setup->input),
                  "does not take %g Hz with %u "
                  "channels of input%s",
                  rates[0], setup->n_channels,
                  setup->two_clocks ? "" : " and output at once");
}

bool live_setup_choose(live_setup* setup, const live_options* options)
{
  setup->n_channels = options->n_channels;
  setup->n_block    = options->n_block;
  setup->buffer_s =
    options->buffer_ms >= 0.0F ? (double)options->buffer_ms * 1e-3 : -1.0;
  setup->input = device_find(options->input, DEVICE_INPUT);
  if (setup->input == paNoDevice) {
    return false;
  }
  setup->output = device_find(options->output, DEVICE_OUTPUT);
  if (setup->output == paNoDevice) {
    return false;
  }
  const int n = (int)setup->n_channels;
  if (device_channels(setup->input, DEVICE_INPUT) < n) {
    return complain(device_name(setup->input), "has fewer than %d inputs", n);
  }
  if (device_channels(setup->output, DEVICE_OUTPUT) < n) {
    return complain(device_name(setup->output), "has fewer than %d outputs", n);
  }
  setup->two_clocks =
    options->two_clocks || !devices_share_clock(setup->input, setup->output);
  return choose_rates(setup, (double)options->rate_hz);
}
