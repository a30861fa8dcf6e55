# CUDA, where the engine for NVIDIA GPUs is to be built and can be
if(MAUDIO_SANITIZE OR MAUDIO_CUDA STREQUAL "OFF")
  return()
endif()

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(MAUDIO_CUDA STREQUAL "ON")
    message(FATAL_ERROR "MAUDIO_CUDA is ON and there is no nvcc that works")
  endif()
  message(STATUS "No nvcc: the engine for NVIDIA GPUs is left out")
  return()
endif()

# Those of the usual ones that this nvcc knows, and code for later ones; 8.0 runs
# on 8.x, too
if(NOT CMAKE_CUDA_ARCHITECTURES)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch
                  OUTPUT_VARIABLE known)
  set(CMAKE_CUDA_ARCHITECTURES)
  foreach(number 80 90)
    if(known MATCHES "compute_${number}")
      list(APPEND CMAKE_CUDA_ARCHITECTURES ${number}-real)
      set(newest ${number})
    endif()
  endforeach()
  list(APPEND CMAKE_CUDA_ARCHITECTURES ${newest}-virtual)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
