OPENQASM 3.0;
include "stdgates.inc";

// Benign (class 1) or malignant (class 0) by four features of the breast cancer data set, each scaled to [0, 1].
// counterspin: readout P[0]
// counterspin: bounds 0 1
// counterspin: values w=1.52,2.02,-0.95,0.81,-0.39,-1.17,-1.82,0.59,-0.13,-0.28,-0.45,-0.03
input array[float[64], 4] x;  // mean concave points, worst radius, worst perimeter, worst concave points
input array[float[64], 12] w;
qubit[4] q;

ry(pi*x[0] + w[0]) q[0]; ry(pi*x[1] + w[1]) q[1];
ry(pi*x[2] + w[2]) q[2]; ry(pi*x[3] + w[3]) q[3];
cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3]; cx q[3], q[0];

ry(pi*x[0] + w[4]) q[0]; ry(pi*x[1] + w[5]) q[1];
ry(pi*x[2] + w[6]) q[2]; ry(pi*x[3] + w[7]) q[3];
cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3]; cx q[3], q[0];

ry(w[8]) q[0]; ry(w[9]) q[1]; ry(w[10]) q[2]; ry(w[11]) q[3];
