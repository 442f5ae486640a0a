/* BS_HOST_DEVICE stands before functions of numbers alone that headers define for host
 * code and for the kernels of a CUDA back end alike. */
#ifndef BS_COMMON_HOST_DEVICE_H
#define BS_COMMON_HOST_DEVICE_H

#ifdef __CUDACC__
#define BS_HOST_DEVICE __host__ __device__
#else
#define BS_HOST_DEVICE
#endif

#endif
