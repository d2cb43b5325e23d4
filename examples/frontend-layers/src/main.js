document.body.append("fourteen of them came with the base image");
