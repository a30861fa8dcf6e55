#include "denoiser.h"

#include "messages.h"
#include "worker.h"

instance* denoiser_new(const char*               plugin_uri,
                       unsigned                  n_channels,
                       double                    rate_hz,
                       const LV2_Feature* const* features)
{
  const sound_spec spec = {MAUDIO_TASK_DENOISE, rate_hz, n_channels};
  return instance_new(sizeof(instance), plugin_uri, &spec, features);
}

void denoiser_activate(instance* in)
{
  maudio_effect_reset(in->play.effect);
  in->load = 0.0f;
}

static void set_params(instance* in)
{
  static const struct {
    maudio_param param;
    port_index   port;
  } all[] = {
    {MAUDIO_PARAM_ENABLED, PORT_ENABLED},
    {MAUDIO_PARAM_STRENGTH, PORT_STRENGTH},
    {MAUDIO_PARAM_MAX_ATTENUATION_DB, PORT_MAX_ATTENUATION},
    {MAUDIO_PARAM_MIX, PORT_MIX},
    {MAUDIO_PARAM_OUTPUT_GAIN_DB, PORT_OUTPUT_GAIN},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    // What is not a number changes nothing
    maudio_effect_set(in->play.effect, all[i].param,
                      port_value(&in->ports, all[i].port));
  }
}

void denoiser_run(instance* in, uint32_t n_frames)
{
  const double start = instance_clock();
  instance_choose(in, n_frames);
  messages_read(in);
  player_update(&in->play);
  worker_schedule(in);

  set_params(in);
  maudio_effect* const effect = in->play.effect;
  maudio_effect_process(effect, in->ports.in, in->ports.out, n_frames);

  messages_write(in);
  port_report(&in->ports, PORT_LATENCY, (float)maudio_effect_latency(effect));
  port_report(&in->ports, PORT_REDUCTION, maudio_effect_reduction_db(effect));
  instance_report_load(in, start, n_frames);
}
