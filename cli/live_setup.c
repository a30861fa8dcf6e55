#include "live_setup.h"

#include "maudio.h"
#include "report.h"

#include <math.h>
#include <stddef.h>

/// Most output channels: what is more is left silent
#define MAX_OUTPUTS 2

/// Frames of a block with one clock. With two, any block ends where the buffer
/// of the device does: what time that is tells what the delay is
#define ONE_CLOCK_BLOCK 256

/// Buffer of a sound server's output. It plays silence when that is empty, and
/// does not say so
#define SERVED_OUTPUT_S 0.015

static double choose_buffer(const live_setup* setup, device_side side)
{
  const bool                is_input = side == DEVICE_INPUT;
  const PaDeviceIndex       device   = is_input ? setup->input : setup->output;
  const PaDeviceInfo* const info     = Pa_GetDeviceInfo(device);
  const double              lowest_s =
    is_input ? info->defaultLowInputLatency : info->defaultLowOutputLatency;
  const double wanted_s = setup->buffer_s >= 0.0 ? setup->buffer_s : lowest_s;
  if (!device_is_served(device)) {
    return wanted_s;
  }
  // A server keeps what we do not fetch at once
  return is_input                ? fmin(wanted_s, lowest_s)
         : setup->buffer_s < 0.0 ? fmax(lowest_s, SERVED_OUTPUT_S)
                                 : wanted_s;
}

PaStreamParameters live_setup_parameters(const live_setup* setup,
                                         device_side       side)
{
  const bool               is_input   = side == DEVICE_INPUT;
  const PaDeviceIndex      device     = is_input ? setup->input : setup->output;
  const int                most       = device_channels(device, DEVICE_OUTPUT);
  const int                n_outputs  = most < MAX_OUTPUTS ? most : MAX_OUTPUTS;
  const PaStreamParameters parameters = {
    .device           = device,
    .channelCount     = is_input ? (int)setup->n_channels : n_outputs,
    .sampleFormat     = paFloat32 | paNonInterleaved,
    .suggestedLatency = choose_buffer(setup, side)};
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
  setup->n_block = options->n_block != LIVE_ANY_BLOCK ? options->n_block
                   : setup->two_clocks                ? 0
                                                      : ONE_CLOCK_BLOCK;
  return choose_rates(setup, (double)options->rate_hz);
}
