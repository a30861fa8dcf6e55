/** @file
 * The verbs of the command `maudio`.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/// Exit codes of every verb
enum {
  COMMAND_OK     = 0, ///< Everything was done
  COMMAND_FAILED = 1, ///< Some input or output failed, and was named on stderr
  COMMAND_USAGE  = 2  ///< The command line makes no sense, nothing was done
};

/// `maudio process`: files in, files out; `argv[1]` is its first argument
int command_process(int argc, char** argv);

/// `maudio stream`: raw samples from standard input to standard output;
/// `argv[1]` is its first argument
int command_stream(int argc, char** argv);

/// `maudio live`: from an audio device to another; `argv[1]` is its first
/// argument
int command_live(int argc, char** argv);

/// `maudio devices`: list audio devices; `argv[1]` is its first argument
int command_devices(int argc, char** argv);

/// `maudio generate`: make up audio; `argv[1]` is its first argument
int command_generate(int argc, char** argv);

/// `maudio logits`: run a model of tokens; `argv[1]` is its first argument
int command_logits(int argc, char** argv);

/// `maudio quantize`: a model with weights of 8 bits; `argv[1]` is its first
/// argument
int command_quantize(int argc, char** argv);

/// `maudio info`: describe presets and models; `argv[1]` is its first argument
int command_info(int argc, char** argv);

#endif /* CLI_COMMAND_H */
