#include "denoiser.h"
#include "state.h"
#include "synth.h"
#include "worker.h"

#include <lv2/core/lv2.h>
#include <string.h>

/// Instantiation threading class
static LV2_Handle instantiate(const LV2_Descriptor*     descriptor,
                              double                    rate_hz,
                              const char*               bundle_path,
                              const LV2_Feature* const* features)
{
  (void)bundle_path;
  if (!strcmp(descriptor->URI, URI_GENERATOR)) {
    return synth_new(descriptor->URI, rate_hz, features);
  }
  const unsigned n_channels = strcmp(descriptor->URI, URI_DENOISE_MONO) ? 2 : 1;
  return denoiser_new(descriptor->URI, n_channels, rate_hz, features);
}

/// Audio threading class
static void connect_port(LV2_Handle plugin, uint32_t index, void* data)
{
  port_connect(&((instance*)plugin)->ports, index, data);
}

/// Instantiation threading class
static void activate_denoiser(LV2_Handle plugin)
{
  denoiser_activate((instance*)plugin);
}

/// Instantiation threading class
static void activate_synth(LV2_Handle plugin)
{
  synth_activate((synth*)plugin);
}

/// Audio threading class
static void run_denoiser(LV2_Handle plugin, uint32_t n_frames)
{
  denoiser_run((instance*)plugin, n_frames);
}

/// Audio threading class
static void run_synth(LV2_Handle plugin, uint32_t n_frames)
{
  synth_run((synth*)plugin, n_frames);
}

/// Instantiation threading class
static void cleanup(LV2_Handle plugin)
{
  instance_free((instance*)plugin);
}

/// Discovery threading class
static const void* extension_data(const char* uri)
{
  if (!strcmp(uri, LV2_STATE__interface)) {
    return &state_interface;
  }
  return strcmp(uri, LV2_WORKER__interface) ? NULL : &worker_interface;
}

static const LV2_Descriptor descriptors[] = {
  {URI_DENOISE_MONO, instantiate, connect_port, activate_denoiser, run_denoiser,
   NULL, cleanup, extension_data},
  {URI_DENOISE_STEREO, instantiate, connect_port, activate_denoiser,
   run_denoiser, NULL, cleanup, extension_data},
  {URI_GENERATOR, instantiate, connect_port, activate_synth, run_synth, NULL,
   cleanup, extension_data},
};

/// Discovery threading class
LV2_SYMBOL_EXPORT const LV2_Descriptor* lv2_descriptor(uint32_t index)
{
  return index < sizeof descriptors / sizeof descriptors[0]
           ? &descriptors[index]
           : NULL;
}
